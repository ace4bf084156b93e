// node-media-server with RTMP and HTTP-FLV on these ports of loopback. It ends with its standard input.
// Usage: node media_server.js RTMP_PORT HTTP_PORT FOLDER

const MediaServer = require("node-media-server");

const [rtmp, http, folder] = process.argv.slice(2);
const server = new MediaServer({
  bind: "127.0.0.1",
  rtmp: { port: Number(rtmp) },
  http: { port: Number(http) },
  store: { path: folder },
  record: { auto: false, path: folder },
  webadmin: { enable: false },
  auth: {},
});
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
server.run();
