import pytest
from sample_records import sample_run


@pytest.fixture
def run():
    return sample_run()
