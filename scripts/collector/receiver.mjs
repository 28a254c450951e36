import { once } from 'node:events'
import { createServer } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { gunzipSync } from 'node:zlib'
import { spansOf } from './otlp.mjs'

/** Stands in for Jaeger: an OTLP/HTTP receiver for JSON that keeps the spans, or answers `status` and keeps nothing. */
export class Receiver {
  spans = []
  status = 200
  requests = 0
  #server

  static async start() {
    const receiver = new Receiver()
    receiver.#server = createServer((request, response) => {
      receiver.#take(request).then(
        (status) => response.writeHead(status, { 'content-type': 'application/json' }).end('{}'),
        () => response.writeHead(400).end(),
      )
    })
    receiver.#server.listen(0, '127.0.0.1')
    await once(receiver.#server, 'listening')
    return receiver
  }

  get url() {
    return `http://127.0.0.1:${this.#server.address().port}`
  }

  close() {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  async #take(request) {
    const body = await buffer(request)
    this.requests++
    if (this.status !== 200) return this.status
    const json = request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body
    this.spans.push(...spansOf(JSON.parse(json.toString('utf8'))))
    return 200
  }
}
