// aedes on two free ports of loopback: MQTT as it is, and in a WebSocket. Says which, and ends with its standard input.
import http from 'node:http'
import net from 'node:net'
import { Aedes } from 'aedes'
import { createWebSocketStream, WebSocketServer } from 'ws'

const broker = await Aedes.createBroker()
const plain = net.createServer(broker.handle)
const web = http.createServer()
new WebSocketServer({ server: web, handleProtocols: (offered) => offered.has('mqtt') && 'mqtt' })
  .on('connection', (socket, request) => broker.handle(createWebSocketStream(socket), request))
const listen = (server) =>
  new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address().port)))
console.log(`${await listen(plain)} ${await listen(web)}`)
process.stdin.on('end', () => process.exit()).resume()
