// Reads an AsyncAPI document with AsyncAPI's own parser.
//
//   node asyncapi.mjs FILE
//
// Prints one line of JSON: the version that the parser found, its channels by address, the messages of each, and everything
// that it has to say, hints too.
import parser from '@asyncapi/parser';

const { Parser, fromFile } = parser;
const { document, diagnostics } = await fromFile(new Parser(), process.argv[2]).parse();
const said = diagnostics.map(({ severity, code, path, message }) => `${severity} ${code} ${path.join('/')}: ${message}`);
const channels = {};
for (const channel of document?.channels().all() ?? []) {
  channels[channel.id()] = {
    address: channel.address(),
    messages: channel.messages().all().map((message) => [message.name(), Object.keys(message.payload()?.properties() ?? {})]),
  };
}
console.log(JSON.stringify({ version: document?.version(), channels, said }));
