import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/**
 * An OTLP/HTTP receiver that reads and forgets, in a process of its own. Tells its port to the process that forked it,
 * and ends with it.
 */
function main(): void {
  const server = createServer((request, response) => {
    request.resume()
    request.once('end', () => response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end())
  })
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
  process.once('disconnect', () => process.exit())
}

main()
