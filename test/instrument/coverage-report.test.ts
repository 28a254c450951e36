import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { type Audit, createAudit } from '../../src/audit/audit.js'
import { type AuditLogger, useLogger } from '../../src/host/diagnostics.js'
import { taken } from '../../src/host/globals.js'
import type { AuditOptions } from '../../src/options/options.js'
import { RecordingAuditSink } from '../../src/sinks/recording.js'
import { scraper } from '../otel/scrape.js'
import { said } from './watched.js'

const CLIENT = '@aws-sdk/client-ssm'
const DAY_MS = 86_400_000

interface Scene {
  readonly audit: Audit
  /** Rows about coverage, as they are stored. */
  stated(): Promise<readonly Record<string, unknown>[]>
  readonly lines: readonly string[]
}

function scene(options: AuditOptions = {}): Scene {
  const sink = new RecordingAuditSink()
  const lines: string[] = []
  const logger: AuditLogger = { error: (line) => lines.push(line), warn: (line) => lines.push(line) }
  const audit = createAudit({
    sink,
    logger,
    lingerMs: 0,
    serviceName: 'orders',
    instrument: 'on',
    ...options,
  })
  onTestFinished(() => audit.close({ timeoutMs: 100 }))
  return {
    audit,
    lines,
    async stated() {
      await audit.flush()
      const rows = sink.events.filter(({ operation }) => operation === 'audit_coverage')
      return rows.map((row) => said(row) as Record<string, unknown>)
    },
  }
}

afterEach(() => useLogger(undefined))

describe('coverage', () => {
  it('is in the trail: what is known at the start, and a row for each change', async () => {
    const { audit, stated } = scene()
    const copy = audit.watch.coverage.copy(CLIENT, '3.1162.0')
    copy.hooked('SSMClient.prototype.send')
    expect(await stated()).toEqual([])
    await audit.start()
    audit.watch.coverage.copy('wire:vault', undefined).wire('GET /v1/…/data/…')
    copy.notHooked('its probe did not come back')
    copy.notHooked('its probe did not come back')
    copy.called()
    const known = {
      operation: 'audit_coverage',
      node: process.version,
      since: expect.stringMatching(/^2.*Z$/),
    }
    expect(await stated()).toEqual([
      { ...known, credential: `${CLIENT}@3.1162.0`, outcome: 'hooked', hook: 'SSMClient.prototype.send' },
      { ...known, credential: 'wire:vault', outcome: 'wire', reason: 'GET /v1/…/data/…' },
      {
        ...known,
        credential: `${CLIENT}@3.1162.0`,
        outcome: 'not_hooked',
        hook: 'SSMClient.prototype.send',
        reason: 'its probe did not come back',
      },
    ])
  })

  it('that lasts is stated again each day, with when it began; not after the end', async () => {
    const each: { work: () => void; ms: number }[] = []
    const setInterval = vi.spyOn(taken, 'setInterval').mockImplementation(((work: () => void, ms: number) => {
      each.push({ work, ms })
      return globalThis.setTimeout(() => {}, 0)
    }) as typeof taken.setInterval)
    onTestFinished(() => setInterval.mockRestore())
    const { audit, stated, lines } = scene()
    audit.watch.coverage.copy(CLIENT, '1.0.0').hooked('send')
    await audit.start()
    const daily = each.filter(({ ms }) => ms === DAY_MS)
    expect(daily).toHaveLength(1)
    daily[0]?.work()
    const rows = await stated()
    expect(rows).toHaveLength(2)
    expect(rows[1]).toEqual(rows[0])
    await audit.close()
    audit.watch.coverage.copy(CLIENT, '1.0.0').notHooked('after the end')
    expect(await stated()).toHaveLength(2)
    expect(lines.join()).not.toContain('after the end')
  })

  it('that changes for ever gets a bounded number of rows', async () => {
    const { audit, stated } = scene()
    await audit.start()
    const copy = audit.watch.coverage.copy(CLIENT, '1.0.0')
    for (let i = 0; i < 1000; i++) copy.notHooked(`reason ${i} ${'x'.repeat(10_000)}`)
    const rows = await stated()
    expect(rows).toHaveLength(16)
    expect(String(rows[0]?.['reason']).length).toBe(512)
  })

  it('is not in the rows of an application’s tests, which start nothing', async () => {
    const { audit, stated } = scene()
    audit.watch.coverage.copy(CLIENT, '1.0.0').hooked('send')
    await audit.service.record({ credential: 'db', operation: 'get_credential', outcome: 'ok' })
    expect(await stated()).toEqual([])
  })

  it('cannot be forged by an application', async () => {
    const { audit } = scene()
    const fields = { credential: CLIENT, operation: 'audit_coverage', outcome: 'hooked' } as const
    await expect(audit.service.record(fields)).rejects.toMatchObject({
      code: 'AUDIT_INVALID_EVENT',
      field: 'operation',
    })
  })

  it('is said at once where a client is not hooked, or cannot be held back', () => {
    const { audit, lines } = scene()
    audit.watch.coverage.copy(CLIENT, '1.0.0').notHooked('it was loaded before')
    audit.watch.coverage.copy('grpc:gcp', undefined).observed('AccessSecretVersion')
    audit.watch.coverage.copy('node-vault', '0.10.2').hooked('request')
    expect(lines).toEqual([
      `otel-audit: ${CLIENT}@1.0.0 is loaded and not hooked: it was loaded before; docs/coverage.md`,
      'otel-audit: grpc:gcp is seen, and what it reads cannot be held back: AccessSecretVersion; docs/coverage.md',
    ])
  })

  it('is what coverage() answers', () => {
    const { audit } = scene()
    expect(audit.coverage()).toEqual([])
    audit.watch.coverage.copy(CLIENT, '1.0.0').hooked('send')
    audit.watch.coverage.copy('node-vault', undefined)
    expect(audit.coverage()).toEqual([
      { name: CLIENT, version: '1.0.0', state: 'hooked', hook: 'send', reason: undefined, calls: 0 },
    ])
  })

  it('is a metric: the state of each client, and what each layer has seen', async () => {
    const { samples } = scraper()
    const { audit } = scene()
    await audit.start()
    const found = async (name: string) =>
      (await samples()).filter((one) => one.name === name).map(({ labels, value }) => ({ ...labels, value }))
    expect(await found('noetl_secret_audit_accesses_total')).toEqual([
      { layer: 'client', value: 0 },
      { layer: 'wire', value: 0 },
      { layer: 'observed', value: 0 },
    ])
    expect(await found('noetl_secret_audit_coverage')).toEqual([])
    const copy = audit.watch.coverage.copy(CLIENT, '1.0.0')
    copy.hooked('send')
    copy.notHooked('gone')
    audit.watch.coverage.copy('wire:vault', undefined).wire('…')
    audit.watch.coverage.counted('client')
    audit.watch.coverage.claimed()
    expect(await found('noetl_secret_audit_coverage')).toEqual([
      { client: CLIENT, version: '1.0.0', state: 'not_hooked', value: 1 },
      { client: 'wire:vault', version: 'unknown', state: 'wire', value: 1 },
    ])
    expect((await found('noetl_secret_audit_accesses_total')).map(({ value }) => value)).toEqual([1, 0, 0])
  })
})
