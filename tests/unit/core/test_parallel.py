import math
import os
from functools import partial

import pytest

from scananalysis.core.parallel import in_parallel


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_come_in_the_order_of_the_tasks(workers):
    assert list(in_parallel(partial(pow, 2), range(20), workers)) == [2**n for n in range(20)]


def test_nothing_to_do_starts_nothing():
    assert list(in_parallel(math.sqrt, [])) == []


def test_an_error_of_a_task_reaches_the_caller():
    results = in_parallel(math.sqrt, [4.0, -1.0], 2)
    assert next(results) == 2.0
    with pytest.raises(ValueError, match=r"math domain error|expected a nonnegative"):
        next(results)


def test_workers_keep_to_one_thread():
    assert set(in_parallel(os.getenv, ["OMP_NUM_THREADS"] * 2, 2)) == {"1"}
