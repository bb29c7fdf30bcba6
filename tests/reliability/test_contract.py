"""The sample server keeps the API's contract, whatever it is asked (schemathesis)."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import schemathesis
import yaml
from hypothesis import strategies as st
from schemathesis import checks

from augment_insights import sample

pytestmark = pytest.mark.slow

CONTRACT = yaml.safe_load(Path(__file__).with_name("openapi.yaml").read_text(encoding="utf-8"))
NOT_MEANT = [
    # A day is refused that is no day of the last two years, and a cursor that was not given out: no schema says that.
    checks.positive_data_acceptance,
]


@pytest.mark.parametrize("path", CONTRACT["paths"])
def test_every_answer_of_the_sample_server_is_one_of_the_contract(path, serve, drawn):
    """Good and bad questions: a documented status and body, 400 for what the contract excludes, 401 without a token."""
    now = datetime.now(UTC)
    app = sample.AnalyticsApp(sample.SampleOrganisation(now.date(), people=60), token="a-token", now=lambda: now)
    url = serve(app).url
    operation = schemathesis.openapi.from_dict(CONTRACT)[path]["GET"]
    recent = st.dates(now.date() - timedelta(days=800), now.date() + timedelta(days=3)).map(str)

    def ask(case, days) -> None:
        for name in days.keys() & {each["name"] for each in parameters(path)}:
            if case.query is not None and name in case.query and case.meta.generation.mode.is_positive:
                case.query[name] = days[name]
        case.call_and_validate(base_url=url, headers={"Authorization": "Bearer a-token"}, excluded_checks=NOT_MEANT)

    drawn(
        f"questions to the sample server at {path}, by schemathesis",
        400,
        ask,
        case=operation.as_strategy(schemathesis.GenerationMode.POSITIVE)
        | operation.as_strategy(schemathesis.GenerationMode.NEGATIVE),
        days=st.fixed_dictionaries({}, optional=dict.fromkeys(("date", "start_date", "end_date"), recent)),
    )


def parameters(path: str) -> list[dict[str, str]]:
    """Return the parameters of an endpoint, by name."""
    named = CONTRACT["components"]["parameters"]
    return [
        named[each["$ref"].rpartition("/")[2]] if "$ref" in each else each
        for each in CONTRACT["paths"][path]["get"]["parameters"]
    ]
