import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { freePorts } from '../../examples/wallet/demo/ports.js'
import { otelAudit } from '../cli/otel-audit.js'
import { fakeVault } from '../instrument/fakes/fake-vault.js'
import type { FakeServer } from '../instrument/fakes/fake-server.js'
import { aVaultLine } from '../reconcile/provider-logs.js'
import { TrailServer } from '../support/trail-server.js'
import { readTrail } from '../support/trail.js'
import { waitUntil } from '../support/wait-until.js'
import { Application } from './application.js'

const CANARY = 'canary-hook-taken-out-51c9'
const TOKEN = 'hvs.canary-token-51c9'

let postgres: TrailServer
let provider: FakeServer
let url: string

beforeAll(async () => {
  postgres = await TrailServer.start()
})

afterAll(() => postgres.close())

beforeEach(async () => {
  provider = await fakeVault(CANARY)
  url = await postgres.trail()
})

afterEach(() => provider.close())

interface Started {
  readonly application: Application
  /** What the application gets for a secret. */
  read(name: string): Promise<{ readonly status: number; readonly text: string }>
  metrics(): Promise<string>
}

async function started(disable: string, env: Readonly<Record<string, string>> = {}): Promise<Started> {
  const [port] = await freePorts(1)
  const application = new Application({
    app: 'vault-reader.mjs',
    env: {
      DATABASE_URL: url,
      OTEL_SERVICE_NAME: 'orders',
      READ_FROM: provider.url,
      READ_WITH: TOKEN,
      OTEL_METRICS_EXPORTER: 'prometheus',
      OTEL_EXPORTER_PROMETHEUS_PORT: `${port}`,
      NOETL_SECRET_AUDIT_INSTRUMENT_DISABLE: disable,
      ...env,
    },
  })
  const listening = await application.says('listening')
  return {
    application,
    async read(name) {
      const response = await fetch(`http://127.0.0.1:${listening}/${name}`)
      return { status: response.status, text: await response.text() }
    },
    metrics: async () => (await fetch(`http://127.0.0.1:${port}/metrics`)).text(),
  }
}

interface Row {
  readonly credential: string
  readonly operation: string
  readonly outcome: string
  readonly attributes: Readonly<Record<string, unknown>>
}

async function rows(operation: string): Promise<readonly Row[]> {
  const trail = await readTrail(url)
  return trail.flatMap(({ event }) =>
    event.operation === operation
      ? [{ ...event, attributes: JSON.parse(event.attributesJson ?? '{}') as Row['attributes'] }]
      : [],
  )
}

async function coverage(): Promise<string[]> {
  const { stdout } = await otelAudit(['coverage', '--format', 'ndjson'], { DATABASE_URL: url })
  const lines = stdout.split('\n').filter(Boolean)
  const clients = lines.map((line) => JSON.parse(line) as Record<string, string>)
  return clients.map(({ client, state }) => `${client} ${state}`)
}

describe('a client of an application that has nothing of ours', () => {
  it('is hooked, and says so: in the trail, as a metric, on the command line', async () => {
    const { read, metrics, application } = await started('')
    expect(await read('orders-db')).toEqual({ status: 200, text: CANARY })
    await waitUntil('the state', async () => (await coverage()).includes('node-vault hooked'))
    expect(await rows('get_credential')).toMatchObject([
      { credential: 'secret/orders-db', outcome: 'ok', attributes: { provider: 'vault', seen: 'client' } },
    ])
    const exposition = await metrics()
    expect(exposition).toMatch(
      /noetl_secret_audit_coverage\{client="node-vault",version="[\d.]+",state="hooked".*\} 1/,
    )
    expect(exposition).toMatch(/noetl_secret_audit_accesses_total\{layer="client".*\} 1/)
    expect(await coverage()).toEqual(['node-vault hooked'])
    await application.terminate()
    expect(await coverage()).toEqual([])
    expect(application.stderr).not.toMatch(/coverage|hooked|held back/)
  })

  it('whose hook was taken out is seen at the wire, and says so; strict still holds', async () => {
    const { read, metrics, application } = await started('node-vault', {
      NOETL_SECRET_AUDIT_REQUIRED: 'true',
    })
    expect(await read('orders-db')).toEqual({ status: 200, text: CANARY })
    // Its row was committed before the answer.
    expect(await rows('get_credential')).toMatchObject([
      { credential: 'secret/orders-db', outcome: 'ok', attributes: { provider: 'vault', seen: 'wire' } },
    ])
    await waitUntil('the state', async () => (await coverage()).includes('wire:vault wire'))
    const exposition = await metrics()
    expect(exposition).toMatch(
      /noetl_secret_audit_coverage\{client="wire:vault",version="unknown",state="wire".*\} 1/,
    )
    expect(exposition).toMatch(/noetl_secret_audit_accesses_total\{layer="wire".*\} 1/)
    await postgres.server.stop('fast')
    const refused = await read('orders-db')
    expect(refused.status).toBe(503)
    expect(refused.text).toContain('AUDIT_UNAVAILABLE')
    expect(refused.text).not.toContain(CANARY)
    await postgres.server.start()
    await waitUntil('a secret again', async () => (await read('orders-db')).status === 200)
    await application.terminate()
    const all = (await readTrail(url)).map(({ event }) => Object.values(event).join('\n')).join('\n')
    for (const canary of [CANARY, TOKEN]) {
      expect(all).not.toContain(canary)
      expect(application.stderr).not.toContain(canary)
      expect(exposition).not.toContain(canary)
    }
  })

  it('that nothing sees any more is missed, and the log of the provider names what was read', async () => {
    const { read, application } = await started('node-vault,wire')
    expect(await read('orders-db')).toEqual({ status: 200, text: CANARY })
    await application.terminate()
    expect(await rows('get_credential')).toEqual([])
    const directory = mkdtempSync(join(tmpdir(), 'otel-audit-log-'))
    const log = join(directory, 'audit.log')
    writeFileSync(
      log,
      `${JSON.stringify(aVaultLine({ time: new Date().toISOString(), id: 'f0a1-request' }))}\n`,
    )
    const { code, stdout } = await otelAudit(['reconcile', '--vault-audit', log], { DATABASE_URL: url })
    rmSync(directory, { recursive: true })
    expect(JSON.parse(stdout)).toMatchObject({
      result: 'differences',
      both: 0,
      only_by_the_provider: [
        {
          credential: 'secret/orders-db',
          request_id: 'f0a1-request',
          api: 'read secret/data/orders-db',
          result: 'released',
        },
      ],
    })
    expect(code).toBe(1)
  })
})

describe('instrument=required', () => {
  const required = { NOETL_SECRET_AUDIT_INSTRUMENT: 'required' }

  it('lets an application run whose clients are covered', async () => {
    const { read } = await started('node-vault', required)
    expect(await read('orders-db')).toEqual({ status: 200, text: CANARY })
  })

  it('does not start without the wire', async () => {
    const application = new Application({
      app: 'vault-reader.mjs',
      env: { DATABASE_URL: url, NOETL_SECRET_AUDIT_INSTRUMENT_DISABLE: 'wire', ...required },
    })
    expect((await application.exit).code).not.toBe(0)
    expect(application.stderr).toContain('instrumentDisable must not have wire when instrument is required')
  })
})
