"""Holds messages to schemas with Python's jsonschema, with and without its format checker.

    python validate.py FOLDER MESSAGES

The same files as those of ajv.mjs; prints the same line of JSON.
"""
import json
import pathlib
import sys

from jsonschema import FormatChecker
from jsonschema.validators import validator_for

folder, messages = map(pathlib.Path, sys.argv[1:])
faults, valid, validators = [], {}, {}
for file in sorted(folder.glob("*.json")):
    if file.stem == "asyncapi":
        continue
    schema = json.loads(file.read_text())
    kind = validator_for(schema, default=None)
    kind.check_schema(schema)
    validators[file.stem] = [kind(schema), kind(schema, format_checker=FormatChecker())]
for line in messages.read_text().splitlines():
    said = json.loads(line)
    errors = [error.message for validator in validators[said["schema"]] for error in validator.iter_errors(said["message"])]
    if errors:
        faults.append(f"{said['schema']}: {errors} {said['message']}")
    else:
        valid[said["schema"]] = valid.get(said["schema"], 0) + 1
print(json.dumps({"compiled": list(validators), "valid": valid, "faults": faults}))
