#!/usr/bin/python3
"""Runs the steps of a pipeline file in the working directory, as the forge's runner would: runner.py github|gitlab FILE

Of GitHub's expressions it knows those in EXPRESSIONS (JSON) and fails at any other. A step that `uses` an action is printed,
not run. RINGFENCE_SOURCE, RINGFENCE_REVISION and POLICY come from the environment in place of the file's."""
import json
import os
import re
import subprocess
import sys

import yaml

form, path = sys.argv[1:3]
with open(path, encoding="utf-8") as stream:
    document = yaml.safe_load(stream)
known = json.loads(os.environ.pop("EXPRESSIONS", "{}"))
ours = {key: os.environ[key] for key in ("RINGFENCE_SOURCE", "RINGFENCE_REVISION", "POLICY") if key in os.environ}


def value(text):
    return re.sub(r"\$\{\{ *(.*?) *\}\}", lambda match: str(known[match[1]]), str(text))


def shell(script, env):
    env = {**os.environ, **{key: value(item) for key, item in env.items()}, **ours}
    return subprocess.run(["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script], env=env, check=False).returncode


def wanted(step, failed, outcomes):
    """A step runs while nothing failed, or as its `if` says."""
    if "if" not in step:
        return not failed
    terms = re.fullmatch(r"\$\{\{ (.*) \}\}", step["if"])[1].split(" && ")
    facts = {"!cancelled()": True, **known, **{f"steps.{name}.outcome != 'skipped'": ran for name, ran in outcomes.items()}}
    return all(facts[term] for term in terms)


def github():
    failed, outcomes = False, {}
    (job,) = document["jobs"].values()
    env = document.get("env", {})
    for step in job["steps"]:
        runs = wanted(step, failed, outcomes)
        if "id" in step:
            outcomes[step["id"]] = runs
        if not runs:
            continue
        if "uses" in step:
            print("USES", step["uses"], json.dumps({key: value(item) for key, item in step["with"].items()}), flush=True)
            continue
        status = shell(step["run"], {**env, **step.get("env", {})})
        if status != 0 and not step.get("continue-on-error", False):
            failed = True
    return int(failed)


def gitlab():
    (job,) = document.values()
    os.environ["GITLAB_CI"] = "true"
    # The lines of one part are one script.
    status = shell("\n".join(job["before_script"] + job["script"]), job["variables"])
    shell("\n".join(job["after_script"]), job["variables"])
    return status


sys.exit({"github": github, "gitlab": gitlab}[form]())
