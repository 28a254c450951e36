import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAudit, RecordingAuditSink } from 'otel-audit'
import { afterEach, expect, it } from 'vitest'
import { walletConfig } from '../../../examples/wallet/config.js'
import { serve } from '../../../examples/wallet/http.js'
import { newRecipient, publicKeyFrom, seal } from '../../../examples/wallet/sealing.js'
import { createWallet, routes } from '../../../examples/wallet/wallet.js'

const SECRET = Buffer.from('canary-of-a-hostile-peer')
const servers: Server[] = []

afterEach(() => {
  for (const server of servers.splice(0)) server.close().closeAllConnections()
})

async function listen(server: Server): Promise<string> {
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Asks a wallet for a credential whose home region answers with `peer`. */
async function askThrough(peer: RequestListener) {
  const sink = new RecordingAuditSink()
  const audit = createAudit({ sink })
  const config = walletConfig({
    region: 'eu-central',
    internal_token: 'internal-token',
    keks: [{ version: 'kek-1', key: Buffer.alloc(32, 1).toString('base64url') }],
    callers: [{ id: 'caller', token: 'caller-token' }],
    credentials: [{ id: 'far', home: 'us-east' }],
    peers: [{ region: 'us-east', url: await listen(createServer(peer)), token: 'peer-token' }],
  })
  const url = await listen(serve(routes(createWallet(config, audit.service))))
  const response = await fetch(`${url}/api/credentials/far?include_data=true`, {
    headers: { authorization: 'Bearer caller-token' },
  })
  const body = await response.text()
  await audit.close()
  return { status: response.status, body, events: sink.events }
}

const answer =
  (status: number, body: string): RequestListener =>
  (_, response) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(body)

function envelopeFor(key: 'asked' | 'other', credential: string): RequestListener {
  return (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { public_key } = JSON.parse(Buffer.concat(chunks).toString()) as { public_key: string }
      const recipient = key === 'asked' ? publicKeyFrom(public_key, 'key') : newRecipient().publicKey
      response.end(JSON.stringify({ envelope: seal(SECRET, recipient, credential), kek_version: 'kek-9' }))
    })
  }
}

it('a peer that answers as it should is believed', async () => {
  const { status, body, events } = await askThrough(envelopeFor('asked', 'far'))
  expect(status).toBe(200)
  expect(body).toContain(SECRET.toString())
  expect(events).toMatchObject([{ outcome: 'ok', brokerRegion: 'us-east', kekVersion: 'kek-9' }])
})

it.each([
  ['an envelope for another key', envelopeFor('other', 'far'), 'does not open'],
  ['an envelope of another credential', envelopeFor('asked', 'near'), 'does not open'],
  ['no envelope', answer(200, '{"kek_version":"kek-9"}'), 'not understood'],
  ['an envelope without a KEK version', answer(200, '{"envelope":{}}'), 'not understood'],
  ['no JSON', answer(200, '<html>'), 'not understood'],
  ['nothing', answer(200, ''), 'not understood'],
  ['an outcome that it may not decide', answer(403, '{"outcome":"ok"}'), 'answered 403'],
  ['an outcome of its own', answer(403, '{"outcome":"canary-of-a-hostile-peer"}'), 'answered 403'],
  ['an outcome that is no text', answer(403, '{"outcome":{}}'), 'not understood'],
  ['its audit trail is away', answer(503, '{"code":"AUDIT_TIMEOUT"}'), 'answered 503'],
  ['elsewhere', (_, response) => response.writeHead(307, { location: '/' }).end(), 'no connection'],
  ['try again', answer(421, '{}'), ''],
  ['a connection that it tears down', (request) => request.socket.destroy(), 'no connection'],
] satisfies [string, RequestListener, string][])(
  '%s: one event, broker_unreachable',
  async (_, peer, note) => {
    const { status, body, events } = await askThrough(peer)
    expect(status).toBe(502)
    expect(body).not.toContain(SECRET.toString())
    expect(events).toMatchObject([{ operation: 'get_credential', outcome: 'broker_unreachable' }])
    expect(events[0]?.notes).toContain(note)
    expect(events[0]?.notes).not.toContain(SECRET.toString())
  },
)
