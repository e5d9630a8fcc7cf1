"""The table as a term of a loss and as a lookup: against each other, and against enumeration."""

import copy
import itertools
import json
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hwnas.core.errors import UnknownName, UsageError
from hwnas.predicting.latency_table import Factor, LatencyTable

ABOUT = {"backend": "openvino:cpu:fp32", "host": "a made-up machine", "batch": 1}


def small_table():
    """Three choices, with a factor of one, two of the same two, and one of all three."""
    return LatencyTable(
        {"kernel": [3, 5], "width": [16, 32, 64], "skip": [False, True]},
        [
            Factor("kernel", "kernel", [1e-3, 2e-3]),
            Factor("block", ("width", "kernel"), [[1e-3, 2e-3], [3e-3, 5e-3], [4e-3, 9e-3]]),
            Factor("reorder", ("kernel", "width"), [[0.0, 1e-4, 2e-4], [3e-4, 0.0, 1e-4]]),
            Factor("all", ("skip", "width", "kernel"), torch.arange(12).reshape(2, 3, 2) * 1e-5),
            Factor("skip", "skip", [0.0, 5e-4]),
        ],
        constant_s=2e-3,
        **ABOUT,
    )


def architectures(table):
    """Every architecture of the space, as rows of option indices."""
    return list(itertools.product(*(range(len(options)) for options in table.choices.values())))


def by_hand(table, row):
    names = list(table.choices)
    return table.constant_s.item() + sum(
        factor.seconds[tuple(row[names.index(choice)] for choice in factor.choices)].item()
        for factor in table.factors
    )


def one_hot(table, rows, dtype):
    rows = torch.tensor(rows)
    return {
        name: torch.nn.functional.one_hot(rows[..., i], len(options)).to(dtype)
        for i, (name, options) in enumerate(table.choices.items())
    }


@st.composite
def tables(draw):
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    seconds = st.floats(0, 1)
    factors = []
    for number in range(draw(st.integers(0, 5))):
        scope = draw(
            st.lists(st.integers(0, len(sizes) - 1), min_size=1, max_size=min(3, len(sizes)), unique=True)
        )
        shape = [sizes[c] for c in scope]
        count = math.prod(shape)
        entries = draw(st.lists(seconds, min_size=count, max_size=count))
        entries = torch.tensor(entries, dtype=torch.float64).reshape(shape)
        factors.append(Factor(f"f{number}", [f"c{c}" for c in scope], entries))
    choices = {f"c{c}": list(range(size)) for c, size in enumerate(sizes)}
    return LatencyTable(choices, factors, draw(seconds), **ABOUT)


@st.composite
def tables_and_probabilities(draw):
    table = draw(tables())
    probabilities = []
    for options in table.choices.values():
        weights = draw(st.lists(st.floats(0.01, 1), min_size=len(options), max_size=len(options)))
        weights = torch.tensor(weights, dtype=torch.float64)
        probabilities.append(weights / weights.sum())
    return table, probabilities


@given(tables_and_probabilities())
def test_expectation_is_the_mean_over_all_architectures(drawn):
    table, probabilities = drawn
    mean = sum(
        by_hand(table, row) * math.prod(p[option].item() for p, option in zip(probabilities, row, strict=True))
        for row in architectures(table)
    )
    assert table.expected(probabilities).item() == pytest.approx(mean, rel=1e-12, abs=1e-15)


@given(tables())
def test_lookup_is_the_sum_of_entries(table):
    rows = architectures(table)
    expected = [by_hand(table, row) for row in rows]
    assert table.lookup(torch.tensor(rows)).tolist() == pytest.approx(expected, rel=1e-12, abs=1e-15)


@given(tables())
def test_fastest_and_slowest_are_those_of_the_enumeration(table):
    latencies = [by_hand(table, row) for row in architectures(table)]
    for (architecture, latency_s), best in (
        (table.fastest(), min(latencies)),
        (table.slowest(), max(latencies)),
    ):
        assert latency_s == pytest.approx(best, rel=1e-12, abs=1e-15)
        assert table.latency(architecture) == latency_s


@given(tables())
def test_json_gives_the_same_table(table):
    again = LatencyTable.from_dict(json.loads(json.dumps(table.to_dict())))
    assert again.to_dict() == table.to_dict()
    assert torch.equal(again.table_s, table.table_s)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("module_dtype", [torch.float64, torch.float32, torch.float16])
def test_one_hot_probabilities_give_the_lookup(dtype, module_dtype):
    table = small_table().to(module_dtype)
    rows = architectures(table)
    expected = table.expected(one_hot(table, rows, dtype))
    assert expected.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    torch.testing.assert_close(expected.double(), table.lookup(torch.tensor(rows)), rtol=1e-6, atol=0)


def test_gradients_are_those_of_finite_differences():
    table = small_table()
    torch.manual_seed(0)
    shapes = [(2, 1, 2), (3, 3), (2,)]
    probabilities = [torch.rand(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    assert torch.autograd.gradcheck(lambda *p: 1e3 * table.expected(p), probabilities)
    assert torch.autograd.gradgradcheck(lambda *p: 1e3 * table.expected(p), probabilities)


def test_gradient_descent_finds_the_fastest_architecture():
    table = small_table()
    logits = {n: torch.zeros(len(o), requires_grad=True) for n, o in table.choices.items()}
    optimizer = torch.optim.SGD(logits.values(), lr=1e3)
    for _ in range(500):
        optimizer.zero_grad()
        table({name: values.softmax(-1) for name, values in logits.items()}).backward()
        optimizer.step()
    found = {n: table.choices[n][values.argmax()] for n, values in logits.items()}
    assert found == table.fastest()[0]


def test_leading_dimensions_broadcast():
    table = small_table()
    torch.manual_seed(0)
    kernel, width, skip = torch.rand(5, 1, 2), torch.rand(4, 3), torch.rand(2)
    expected = table.expected({"skip": skip, "kernel": kernel, "width": width})
    assert expected.shape == (5, 4)
    for i, j in itertools.product(range(5), range(4)):
        torch.testing.assert_close(expected[i, j], table.expected([kernel[i, 0], width[j], skip]))
    assert table.expected([torch.rand(0, 2), width[0], skip]).shape == (0,)


def test_a_choice_without_a_factor_counts_for_the_shape_only():
    table = LatencyTable({"a": [1, 2], "b": ["x"]}, [Factor("a", "a", [1.0, 3.0])], 1.0, **ABOUT)
    assert table.expected([torch.tensor([0.5, 0.5]), torch.ones(4, 1)]).tolist() == [3.0] * 4
    assert table.fastest() == ({"a": 1, "b": "x"}, 2.0)


def test_a_table_without_factors_is_its_constant_and_gives_copies():
    table = LatencyTable({"a": [1, 2]}, [], 1.5, **ABOUT)
    table.expected([torch.rand(3, 2, dtype=torch.float64)]).zero_()
    table.lookup(torch.zeros(3, 1, dtype=torch.int64)).zero_()
    assert table.latency({"a": 2}) == 1.5


def test_probabilities_of_darts_are_the_rows_of_one_tensor():
    table = LatencyTable(
        {edge: ["conv", "pool"] for edge in "abc"},
        [Factor(edge, edge, [2e-3, 1e-3]) for edge in "abc"],
        0.0,
        **ABOUT,
    )
    assert table.expected(torch.full((3, 2), 0.5)).item() == pytest.approx(4.5e-3)


def test_lookup_agrees_with_latency_over_several_chunks(monkeypatch):
    monkeypatch.setattr("hwnas.predicting.latency_table._CHUNK", 5)
    table = small_table()
    rows = torch.tensor(architectures(table))
    values = [
        dict(zip(table.choices, options, strict=True)) for options in itertools.product(*table.choices.values())
    ]
    assert torch.equal(table.indices(values), rows)
    assert table.lookup(rows).tolist() == [table.latency(architecture) for architecture in values]
    assert torch.equal(table.lookup(rows.to(torch.int8)), table.lookup(rows))
    assert table.lookup(rows[:0]).shape == (0,)
    assert table.indices([]).shape == (0, 3)


def test_extremes_of_a_long_chain_are_exact():
    torch.manual_seed(0)
    choices = {f"c{i}": list(range(5)) for i in range(40)}
    pairs = list(itertools.pairwise(choices))
    entries = torch.rand(len(pairs), 5, 5, dtype=torch.float64)
    chain = LatencyTable(
        choices, [Factor(f"{a}{b}", (a, b), e) for (a, b), e in zip(pairs, entries, strict=True)], 0.0, **ABOUT
    )
    # The same by dynamic programming along the chain.
    lowest, highest = torch.zeros(5, dtype=torch.float64), torch.zeros(5, dtype=torch.float64)
    for table in entries:
        lowest = (lowest[:, None] + table).amin(0)
        highest = (highest[:, None] + table).amax(0)
    assert chain.fastest()[1] == pytest.approx(lowest.min().item())
    assert chain.slowest()[1] == pytest.approx(highest.max().item())


def test_extremes_of_a_clique_are_refused():
    choices = {f"c{i}": list(range(10)) for i in range(9)}
    pairs = itertools.combinations(choices, 2)
    clique = LatencyTable(
        choices, [Factor(f"{a}{b}", (a, b), torch.ones(10, 10)) for a, b in pairs], 0.0, **ABOUT
    )
    with pytest.raises(UsageError, match="9 choices hang on each other"):
        clique.fastest()


def test_moves_between_devices_with_the_module_that_holds_it():
    table = small_table()
    state = copy.deepcopy(table.state_dict())
    holder = torch.nn.Sequential(table).half().to("meta")
    assert holder[0] is table
    assert table.table_s.device.type == "meta"
    assert table.table_s.dtype == torch.float64
    probabilities = [torch.empty(7, len(o), device="meta") for o in table.choices.values()]
    assert table.expected(probabilities).shape == (7,)
    assert table.lookup(torch.zeros(6, 3, dtype=torch.int64, device="meta")).shape == (6,)
    holder.to_empty(device="cpu")
    table.load_state_dict(state)
    assert table.to_dict() == small_table().to_dict()


def test_a_device_without_double_precision_holds_single():
    """As Apple's: a fake of it, since there is none here."""

    def to_mps(tensor):
        if tensor.dtype == torch.float64:
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype")
        return tensor.clone()

    exact, table = small_table(), small_table()
    torch.nn.Sequential(table)._apply(to_mps)
    assert table.table_s.dtype == table.constant_s.dtype == torch.float32
    rows = architectures(table)
    latencies_s = exact.lookup(torch.tensor(rows))
    torch.testing.assert_close(table.lookup(torch.tensor(rows)).double(), latencies_s, rtol=1e-6, atol=0)
    probabilities = {name: p.requires_grad_() for name, p in one_hot(table, rows, torch.float32).items()}
    expected_s = table.expected(probabilities)
    torch.testing.assert_close(expected_s.detach().double(), latencies_s, rtol=1e-6, atol=0)
    expected_s.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in probabilities.values())
    assert table.fastest()[0] == exact.fastest()[0]
    assert [f.name for f in table.factors] == [f.name for f in exact.factors]
    # What another error says is not swallowed.
    with pytest.raises(TypeError, match="another"):
        table._apply(lambda tensor: (_ for _ in ()).throw(TypeError("another")))


def test_state_dict_round_trip(tmp_path):
    table = small_table()
    torch.save(table.state_dict(), tmp_path / "table.pt")
    other = small_table()
    with torch.no_grad():
        other.table_s.zero_()
        other.constant_s.zero_()
    other.load_state_dict(torch.load(tmp_path / "table.pt", weights_only=True))
    assert other.to_dict() == table.to_dict()
    assert dict(table.named_parameters()) == {}


def test_deep_copies_are_independent():
    table = small_table()
    twin = copy.deepcopy(table)
    twin.table_s.zero_()
    architecture = {"kernel": 3, "width": 16, "skip": True}
    assert twin.latency(architecture) == table.constant_s.item() < table.latency(architecture)


def test_saved_tables_come_back(tmp_path):
    path = tmp_path / "table.json"
    table = small_table()
    table.save(path)
    again = LatencyTable.load(path)
    assert again.to_dict() == table.to_dict()
    assert again.choices == table.choices
    assert (again.backend, again.host, again.batch) == tuple(ABOUT.values())
    written = json.loads(path.read_text())
    assert written["unit"] == "s"
    assert written["layout"] == "hwnas-latency-table-1"


def test_print_says_what_it_is():
    assert "3 choices, 5 factors, 28 entries, backend='openvino:cpu:fp32', batch=1" in repr(small_table())
    assert "shape (2,)" in repr(small_table().factors[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("f", "a", [1.0, float("nan")]), r"factor 'f' has the entry nan at \[1\]"),
        (("f", ("a", "b"), [[1.0, 2.0], [3.0, -4.0]]), r"entry -4.0 at \[1, 1\]"),
        (("f", "a", [1.0, float("inf")]), "entry inf"),
        (("f", ("a", "b"), [1.0, 2.0]), r"2 choices and seconds of shape \(2,\)"),
        (("f", (), 1.0), "0 choices"),
        (("f", ("a", "a"), [[1.0]]), "'a' is there twice"),
        (("f", ("a", "b"), [[1.0, 2.0], [3.0]]), "no table of numbers"),
        (("f", "a", ["1 ms", "2 ms"]), "no table of numbers"),
        (("f", "a", [1.0, 2.0], ["key"]), "1 keys for 2 entries"),
    ],
)
def test_wrong_factors(arguments, message):
    with pytest.raises(UsageError, match=message):
        Factor(*arguments)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"choices": {}}, "needs choices"),
        ({"choices": {"a": []}}, "'a' has the options"),
        ({"choices": {"a": [1, None]}}, "'a' has the options"),
        ({"choices": {"a": [1, 1.0]}}, "1.0 is there twice"),
        ({"factors": [Factor("f", "b", [1.0])]}, "unknown choice of factor 'f': 'b'"),
        ({"factors": [Factor("f", "a", [1.0])]}, r"shape \(1,\), but the options of a are 2"),
        ({"factors": [Factor("f", "a", [1.0, 2.0])] * 2}, "factor 'f' is there twice"),
        ({"constant_s": math.nan}, "constant_s is nan"),
        ({"constant_s": -1.0}, "constant_s is -1.0"),
        ({"batch": 0}, "batch is 0"),
    ],
)
def test_wrong_tables(changes, message):
    arguments = {"choices": {"a": [1, 2]}, "factors": [], "constant_s": 0.0, **ABOUT, **changes}
    with pytest.raises(UsageError, match=message):
        LatencyTable(**arguments)


def fitting():
    return {"kernel": torch.rand(2), "width": torch.rand(3), "skip": torch.rand(2)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": None}, "floating-point"),
        ({"width": torch.tensor([0, 1, 0])}, "floating-point"),
        ({"width": torch.rand(3, 2)}, r"'width' have shape \(3, 2\), but the choice has 3 options"),
        ({"width": torch.tensor(1.0)}, r"shape \(\)"),
        ({"width": torch.empty(3, device="meta")}, "'width' are on meta, but the latency table on cpu"),
        (
            {"width": torch.rand(4, 3), "skip": torch.rand(5, 2)},
            r"do not broadcast: \(\) and \(4,\) and \(5,\)",
        ),
        ({"kernal": torch.rand(2)}, "unknown choice 'kernal'. Did you mean kernel"),
    ],
)
def test_wrong_probabilities(changes, message):
    with pytest.raises(UsageError, match=message):
        small_table().expected({**fitting(), **changes})


def test_missing_probabilities():
    given = fitting()
    with pytest.raises(UsageError, match="2 choices are given, but there are 3"):
        small_table().expected(list(given.values())[:2])
    del given["width"]
    with pytest.raises(UsageError, match="nothing is given for choice 'width'"):
        small_table().expected(given)


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        (torch.zeros(3, dtype=torch.int64), r"shape \(3,\)"),
        (torch.zeros(1, 2, dtype=torch.int64), r"shape \(1, 2\)"),
        (torch.zeros(1, 3), "torch.float32"),
        (torch.tensor([[0, 3, 0]]), "'width' run from 3 to 3, but the choice has 3 options"),
        (torch.tensor([[0, 0, 0], [0, 0, -1]]), "'skip' run from -1 to 0"),
        (torch.zeros(1, 3, dtype=torch.int64, device="meta"), "indices are on meta"),
    ],
)
def test_wrong_indices(indices, message):
    with pytest.raises(UsageError, match=message):
        small_table().lookup(indices)


def test_wrong_architectures():
    table = small_table()
    with pytest.raises(UnknownName, match="unknown option of choice 'kernel': '7'"):
        table.latency({"kernel": 7, "width": 16, "skip": True})
    with pytest.raises(UnknownName, match="unknown choice 'depth'"):
        table.latency({"kernel": 3, "width": 16, "skip": True, "depth": 2})
    with pytest.raises(UsageError, match="nothing is given for choice 'skip'"):
        table.latency({"kernel": 3, "width": 16})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unit": "ms"}, "the unit is 'ms', but 's' is known"),
        ({"unit": None}, "the unit is None"),
        ({"layout": "hwnas-latency-table-9"}, "the layout is"),
        ({"constant_s": "1 ms"}, "not a latency table"),
        ({"choices": 5}, "not a latency table"),
        ({"choices": [{"name": "kernel", "options": [3]}] * 2}, "'kernel' is there twice"),
        ({"factors": [{"name": "f"}]}, "without the key 'choices'"),
        ({"factors": ["f"]}, "not a latency table"),
        ({"constant_s": -1}, "constant_s is -1"),
    ],
)
def test_wrong_files(tmp_path, changes, message):
    path = tmp_path / "table.json"
    path.write_text(json.dumps({**small_table().to_dict(), **changes}))
    with pytest.raises(UsageError, match=f"table.json: .*{message}"):
        LatencyTable.load(path)


def test_files_that_are_none(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        LatencyTable.load(tmp_path / "missing.json")
    with pytest.raises(UsageError, match="cannot be written"):
        small_table().save(tmp_path / "missing" / "table.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(UsageError, match="is not JSON"):
        LatencyTable.load(tmp_path / "bad.json")
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(UsageError, match="is not a JSON object"):
        LatencyTable.load(tmp_path / "list.json")


def test_autocast_and_default_devices_change_nothing():
    written = small_table().to_dict()
    with torch.device("meta"):
        table = LatencyTable.from_dict(written)
    assert table.to_dict() == written
    probabilities = fitting()
    with torch.autocast("cpu", torch.bfloat16):
        cast = table.expected(probabilities)
    assert torch.equal(cast, table.expected(probabilities))


def test_works_under_function_transforms():
    table = small_table()
    batch = {name: torch.rand(4, *p.shape) for name, p in fitting().items()}
    torch.testing.assert_close(torch.func.vmap(table.expected)(batch), table.expected(batch))
