import { context, propagation } from '@opentelemetry/api'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createAudit } from '../../src/audit/audit.js'
import type { AuditOptions } from '../../src/options/options.js'
import { RecordingAuditSink } from '../../src/sinks/recording.js'
import { traced } from '../service/telemetry.js'
import { said } from './watched.js'
import { secretServer, VAULT_HEADERS, VAULT_PATH } from './wire/secret-server.js'

/** Rows of accesses while `work` runs with these options. */
async function rowsWith(options: AuditOptions, work: () => Promise<unknown>): Promise<readonly object[]> {
  const sink = new RecordingAuditSink()
  const audit = createAudit({ sink, instrument: 'on', ...options })
  onTestFinished(() => audit.close())
  await audit.start()
  await work()
  await audit.flush()
  return sink.events
    .filter(({ operation }) => !operation.startsWith('audit_'))
    .map((row) => ({
      ...said(row),
      actorId: row.actorId,
      actorType: row.actorType,
    }))
}

const read = async (url: string): Promise<void> => {
  const response = await fetch(url + VAULT_PATH, { headers: VAULT_HEADERS })
  await response.text()
}

const parameter = async (url: string, body: object): Promise<void> => {
  const headers = { 'x-amz-target': 'AmazonSSM.GetParameter' }
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })
  await response.text()
}

describe('instrumentActor', () => {
  it('a function says who it is', async () => {
    const { url } = await secretServer()
    const [row] = await rowsWith({ instrumentActor: () => 'person-7' }, () => read(url))
    expect(row).toMatchObject({ actorId: 'person-7', actorType: 'service' })
  })

  it('one that throws, or answers nonsense, leaves it unknown', async () => {
    const { url } = await secretServer()
    const broken = (): never => {
      throw new Error('no request')
    }
    const rows = [
      ...(await rowsWith({ instrumentActor: broken }, () => read(url))),
      ...(await rowsWith({ instrumentActor: (() => 7) as never }, () => read(url))),
    ]
    expect(rows).toMatchObject([{ actorId: null }, { actorId: null }])
  })

  it('one that reads a secret itself makes a row of that, and not of itself', async () => {
    const { url } = await secretServer()
    let isAsking = false
    const instrumentActor = (): string => {
      if (!isAsking) {
        isAsking = true
        void fetch(`${url}/v1/secret/data/of-the-actor`, { headers: VAULT_HEADERS })
      }
      return 'person-7'
    }
    const rows = await rowsWith({ instrumentActor }, async () => {
      await read(url)
      await read(url)
    })
    const credentials = rows.map((row) => (row as { credential: string }).credential)
    expect(credentials).toContain('secret/of-the-actor')
  })

  it('an entry of the baggage is what somebody claims, and never the actor', async () => {
    traced()
    const { url } = await secretServer()
    const baggage = propagation.createBaggage({ 'enduser.id': { value: 'mallory' } })
    const [row] = await rowsWith({ instrumentActor: 'enduser.id' }, () =>
      context.with(propagation.setBaggage(context.active(), baggage), () => read(url)),
    )
    expect(row).toMatchObject({ actorId: null, claimed_actor: 'mallory' })
  })
})

it('plain HTTP inside of a guard is one row, the guard’s, with what the wire knows', async () => {
  const { url, host } = await secretServer()
  const sink = new RecordingAuditSink()
  const audit = createAudit({ sink, strict: true, instrument: 'on' })
  onTestFinished(() => audit.close())
  await audit.start()
  const fields = { credential: 'orders', operation: 'resolve_keychain' } as const
  await audit.service.guard(fields, async () => {
    await read(url)
    return 'hunter2-canary'
  })
  const rows = sink.events.filter(({ operation }) => !operation.startsWith('audit_'))
  expect(rows.map(said)).toEqual([
    {
      credential: 'orders',
      operation: 'resolve_keychain',
      outcome: 'ok',
      accessed: 'secret/orders',
      provider: 'vault',
      api: 'GET',
      seen: 'wire',
      server_address: host,
      request_id: 'r-1',
    },
  ])
})

describe('what is recorded', () => {
  it('instrumentDisable: nothing at the wire', async () => {
    const { url } = await secretServer()
    expect(await rowsWith({ instrumentDisable: 'node-vault,wire' }, () => read(url))).toEqual([])
    expect(await rowsWith({ instrumentDisable: 'node-vault' }, () => read(url))).toHaveLength(1)
  })

  it('instrumentSsm: parameters that are not secret, too', async () => {
    const { url } = await secretServer()
    const both = async () => {
      await parameter(url, { Name: '/plain' })
      await parameter(url, { Name: '/secret', WithDecryption: true })
    }
    const names = (rows: readonly object[]) => rows.map((row) => (row as { credential: string }).credential)
    expect(names(await rowsWith({}, both))).toEqual(['/secret'])
    expect(names(await rowsWith({ instrumentSsm: 'all' }, both))).toEqual(['/plain', '/secret'])
  })

  it('instrumentHosts: a Vault that is told by its address', async () => {
    const { url, host } = await secretServer()
    const bare = async () => {
      await (await fetch(url + VAULT_PATH)).text()
    }
    expect(await rowsWith({}, bare)).toEqual([])
    expect(await rowsWith({ instrumentHosts: `vault=${host}` }, bare)).toMatchObject([
      { provider: 'vault', server_address: host },
    ])
  })

  it('instrumentWrites: what is put and deleted', async () => {
    const { url } = await secretServer()
    const write = async () => {
      const response = await fetch(url + VAULT_PATH, { method: 'POST', headers: VAULT_HEADERS, body: '{}' })
      await response.text()
    }
    expect(await rowsWith({}, write)).toEqual([])
    expect(await rowsWith({ instrumentWrites: true }, write)).toMatchObject([
      { operation: 'write_credential' },
    ])
  })
})
