"""Work in a forked child of the tests."""

import json
import os
import signal
import warnings


def in_child(work, limit_s=30):
    """What `work` returns in a forked child: JSON, or the text of its exception."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 warns of what is tested here.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        signal.alarm(limit_s)
        try:
            result = work()
        except BaseException as error:
            result = f"{type(error).__name__}: {error}"
        os.write(writing, json.dumps(result).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answers:
        answer = answers.read()
    os.waitpid(child, 0)
    assert answer, f"the child did not end within {limit_s} s"
    return json.loads(answer)
