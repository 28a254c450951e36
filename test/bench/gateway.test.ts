import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { describe, expect, onTestFinished, test } from 'vitest'
import { load } from '../../bench/gateway/load.js'
import { gatewayBenchOptions } from '../../bench/gateway/options.js'
import { decodedByReference } from '../support/gateway/otlp-schema.js'

interface TracesRequest {
  readonly resourceSpans: readonly {
    readonly scopeSpans: readonly {
      readonly spans: readonly { spanId: Uint8Array; events: { name: Uint8Array }[] }[]
    }[]
  }[]
}

/** A receiver that keeps what it gets, and answers with this status. */
async function receiver(status: number) {
  const requests: TracesRequest[] = []
  const server = createServer((request, response) => {
    void (async () => {
      requests.push(decodedByReference('TracesRequest', await buffer(request)) as TracesRequest)
      response.writeHead(status).end()
    })()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return { requests, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

describe('the load', () => {
  test.each([
    { events: 1, spans: 1 },
    { events: 8, spans: 8 },
    { events: 8, spans: 160 },
    { events: 0, spans: 32 },
  ])('is $events events in $spans spans, each time other ones', async (shape) => {
    const { requests, url } = await receiver(200)
    const sent = await load(url, shape, 0.1)
    const spans = requests.map(({ resourceSpans }) =>
      resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)),
    )
    expect(new Set(spans.map(({ length }) => length))).toEqual(new Set([shape.spans]))
    const audit = spans.map((all) =>
      all.filter(({ events }) => events.some(({ name }) => Buffer.from(name).toString() === 'secret.access')),
    )
    expect(new Set(audit.map(({ length }) => length))).toEqual(new Set([shape.events]))
    const ids = audit.flat().map(({ spanId }) => Buffer.from(spanId).toString('hex'))
    expect(new Set(ids).size).toBe(ids.length)
    expect(sent).toMatchObject({
      events: requests.length * shape.events,
      spans: requests.length * shape.spans,
      refused: 0,
    })
  })

  test('counts what is refused, and not as stored', async () => {
    const { requests, url } = await receiver(503)
    const sent = await load(url, { events: 1, spans: 1 }, 0.1)
    expect(sent).toMatchObject({ events: 0, spans: 0, refused: requests.length })
  })
})

describe('the options', () => {
  test('have defaults', () => {
    expect(gatewayBenchOptions([])).toMatchObject({ rounds: 3, seconds: 5, json: false, help: false })
    expect(gatewayBenchOptions(['--collector', '/x', '--rounds', '1'])).toMatchObject({
      collector: '/x',
      rounds: 1,
    })
  })

  test.each([
    ['--rounds', '0'],
    ['--seconds', '1.5'],
    ['--unknown', '1'],
  ])('refuse %s %s', (...args) => {
    expect(() => gatewayBenchOptions(args)).toThrow(args[0])
  })
})
