"""What is told of a command line has no password in it."""

from hwnas.store.command_line import told_arguments


def test_passwords_are_masked_in_both_forms():
    url = "postgresql://me:secret@host/db"
    for arguments in (["measure", "--db", url, "quick"], ["measure", f"--db={url}"]):
        told = told_arguments(arguments)
        assert "secret" not in " ".join(told)
        assert "me:***@host" in " ".join(told)
        assert len(told) == len(arguments)


def test_the_rest_stays_as_it_was():
    assert told_arguments(["measure", "--model", "zoo:darts", "-x=1"]) == [
        "measure",
        "--model",
        "zoo:darts",
        "-x=1",
    ]
