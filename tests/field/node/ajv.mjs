// Compiles schemas with ajv as its users do, and holds messages to them.
//
//   node ajv.mjs 2020-12|7 FOLDER [MESSAGES]
//
// FOLDER has NAME.json for each schema, in the draft that is named. Every schema is compiled with ajv's defaults and with
// `strict: true`; whatever ajv complains of, in its log too, is a fault. MESSAGES is a file with a line for each message,
// `{"schema": NAME, "message": ...}`, each of which must be valid by both. Prints one line of JSON: which schemas compiled,
// how many messages are valid for each of them, and every fault. Uses nothing but ajv: no ajv-formats.
import fs from 'node:fs';
import path from 'node:path';
import Draft7 from 'ajv';
import Draft2020 from 'ajv/dist/2020.js';

const [draft, folder, messages] = process.argv.slice(2);
const Ajv = { '2020-12': Draft2020.default, 7: Draft7.default }[draft];
const names = fs.readdirSync(folder).filter((name) => name.endsWith('.json') && name !== 'asyncapi.json');
const faults = [];
const valid = {};
const validators = {};
for (const [mode, options] of [['defaults', {}], ['strict', { strict: true, allErrors: true }]]) {
  for (const file of names) {
    const name = path.basename(file, '.json');
    const complain = (text) => faults.push(`${mode} ${name}: ${text}`);
    const ajv = new Ajv({ ...options, logger: { log: complain, warn: complain, error: complain } });
    try {
      (validators[name] ??= []).push(ajv.compile(JSON.parse(fs.readFileSync(path.join(folder, file), 'utf8'))));
    } catch (error) {
      complain(error.message);
    }
  }
}
for (const line of messages ? fs.readFileSync(messages, 'utf8').split('\n').filter(Boolean) : []) {
  const { schema, message } = JSON.parse(line);
  const refused = (validators[schema] ?? [() => false]).find((validate) => !validate(message));
  if (refused) {
    faults.push(`${schema}: ${JSON.stringify(refused.errors)} ${JSON.stringify(message)}`);
  } else {
    valid[schema] = (valid[schema] ?? 0) + 1;
  }
}
console.log(JSON.stringify({ compiled: Object.keys(validators), valid, faults }));
