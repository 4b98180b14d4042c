"""The Django application of the bench: the routes of case.rs, asked by lines of JSON on stdin."""

import itertools
import json
import logging
import sys
import threading
import time

import django
from django.conf import settings
from django.http import HttpResponse, JsonResponse
from django.urls import path

SET_UP = json.loads(sys.argv[1])
ENGINE = SET_UP["engine"]

settings.configure(
    SECRET_KEY="a key for a bench, of 32 bytes or more",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    LOGGING_CONFIG=None,
    USE_TZ=True,
    INSTALLED_APPS=["django.contrib.sessions"],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"] if ENGINE else [],
    SESSION_ENGINE=f"django.contrib.sessions.backends.{ENGINE or 'db'}",
    CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": {"MAX_ENTRIES": 100000}}},
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": SET_UP["database"],
            # Connections stay open between requests, as a server with CONN_MAX_AGE has it.
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                "timeout": 20,
                "transaction_mode": "IMMEDIATE",
                "init_command": f"PRAGMA journal_mode=WAL; PRAGMA synchronous={SET_UP['synchronous']};",
            },
        }
    },
)
django.setup()
# A log-out under a slow request is meant to be refused: no traceback for that.
logging.disable(logging.CRITICAL)

written = itertools.count(1)
stage = {"all_have_read": threading.Barrier(1), "slow_has_read": threading.Event(), "slow_may_go_on": threading.Event()}


def ok():
    return HttpResponse("ok")


def seed(request):
    for key, value in SET_UP["payload"].items():
        request.session[key] = value
    return ok()


def untouched(request):
    return ok()


def read(request):
    if ENGINE:
        request.session.get("user")
    return ok()


def write(request):
    if ENGINE:
        request.session["n"] = next(written)
    return ok()


def own(request, key):
    request.session.get("user")
    stage["all_have_read"].wait()
    request.session[f"own-{key}"] = key
    return ok()


def count(request):
    before = request.session.get("count", 0)
    stage["all_have_read"].wait()
    request.session["count"] = before + 1
    return ok()


def slow(request):
    request.session.get("user")
    stage["slow_has_read"].set()
    stage["slow_may_go_on"].wait()
    request.session["late"] = True
    return ok()


def logout(request):
    request.session.flush()
    return ok()


def look(request):
    keys = [key for key in request.session.keys() if key.startswith("own-")]
    answer = {"own_keys": len(keys), "count": request.session.get("count", 0), "user": "user" in request.session}
    return JsonResponse(answer)


urlpatterns = [
    path("seed", seed),
    path("untouched", untouched),
    path("read", read),
    path("write", write),
    path("own/<int:key>", own),
    path("count", count),
    path("slow", slow),
    path("logout", logout),
    path("look", look),
]

from django.core.management import call_command  # noqa: E402
from django.test.client import ClientHandler  # noqa: E402
from django.test import RequestFactory  # noqa: E402

handler = ClientHandler(enforce_csrf_checks=False)
factory = RequestFactory()


def environ(where, cookie):
    extra = {"HTTP_COOKIE": cookie} if cookie else {}
    # A path that is asked often is made into a request only once; the handler gets a copy of it.
    return factory._base_environ(REQUEST_METHOD="GET", PATH_INFO=where, **extra)


def ask(made):
    made = dict(made)
    made["wsgi.input"] = made["wsgi.input"].__class__(b"")
    return handler(made)


def new_session():
    if not ENGINE:
        return "sessionid=somebody-who-was-here-before"
    answer = ask(environ("/seed", None))
    assert answer.status_code == 200, answer.content
    return "sessionid=" + answer.cookies["sessionid"].value


def measured(work, operations):
    wall, cpu = time.perf_counter_ns(), time.process_time_ns()
    failures = work()
    cpu, wall = time.process_time_ns() - cpu, time.perf_counter_ns() - wall
    return {"wall_ns": wall / operations, "cpu_ns": cpu / operations, "failures": failures}


def sample(question):
    made = environ(question["path"], cookie if question["cookie"] else None)
    requests = question["requests"]
    return measured(lambda: sum(ask(made).status_code != 200 for _ in range(requests)), requests)


def at_once(jobs):
    """Runs every job in a thread of its own, and gives their answers."""
    answers = [None] * len(jobs)

    def run(place, job):
        try:
            answers[place] = job()
        except Exception:
            answers[place] = 500
        finally:
            from django.db import connection

            connection.close()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def writers(question):
    cookies = [new_session() for _ in range(question["sessions"])]
    writes = question["writes"]

    def one(cookie):
        made = environ("/write", cookie)
        return lambda: sum(ask(made).status_code != 200 for _ in range(writes))

    return measured(lambda: sum(at_once([one(cookie) for cookie in cookies])), len(cookies) * writes)


def overlap(question):
    parallel = question["parallel"]
    cookie = new_session()
    refused = 0
    for paths in ([f"/own/{n}" for n in range(parallel)], ["/count"] * parallel):
        stage["all_have_read"] = threading.Barrier(parallel)
        jobs = [lambda made=environ(where, cookie): ask(made).status_code for where in paths]
        refused += sum(status != 200 for status in at_once(jobs))
    seen = json.loads(ask(environ("/look", cookie)).content)
    revived, late = log_out_under()
    return {"own_keys": seen["own_keys"], "count": seen["count"], "refused": refused, "revived": revived, "late_status": late}


def log_out_under():
    cookie = new_session()
    stage["slow_has_read"].clear()
    stage["slow_may_go_on"].clear()

    def log_out():
        stage["slow_has_read"].wait()
        status = ask(environ("/logout", cookie)).status_code
        stage["slow_may_go_on"].set()
        return status

    late, _ = at_once([lambda: ask(environ("/slow", cookie)).status_code, log_out])
    return json.loads(ask(environ("/look", cookie)).content)["user"], late


if ENGINE == "db":
    call_command("migrate", verbosity=0)
handler.load_middleware()
cookie = new_session()
for line in sys.stdin:
    question = json.loads(line)
    answer = {"sample": sample, "writers": writers, "overlap": overlap}[question["do"]](question)
    print(json.dumps(answer), flush=True)
