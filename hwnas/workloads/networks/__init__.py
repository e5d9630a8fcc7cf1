"""Networks of the study that neither torchvision nor timm has, written from their papers."""
