import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { type Audit, createAudit } from '../../src/audit/audit.js'
import { type AuditLogger, useLogger } from '../../src/host/diagnostics.js'
import { taken } from '../../src/host/globals.js'
import type { AuditOptions } from '../../src/options/options.js'
import { RecordingAuditSink } from '../../src/sinks/recording.js'
import type { CoveredCopy } from '../../src/instrument/coverage.js'
import { scraper } from '../otel/scrape.js'
import { said } from './watched.js'

const DAY_MS = 86_400_000

let scenes = 0

interface Scene {
  /** A client that no other scene has: the register is that of the process. */
  readonly client: string
  copy(version?: string, suffix?: string): CoveredCopy
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
  const client = `client-${++scenes}`
  return {
    audit,
    client,
    copy: (version, suffix = '') => audit.watch.coverage.copy(`${client}${suffix}`, version),
    lines,
    async stated() {
      await audit.flush()
      const rows = sink.events.filter(
        ({ operation, credential }) => operation === 'audit_coverage' && credential.startsWith(client),
      )
      return rows.map((row) => said(row) as Record<string, unknown>)
    },
  }
}

afterEach(() => useLogger(undefined))

describe('coverage', () => {
  it('is in the trail: what is known at the start, and a row for each change', async () => {
    const { audit, client, copy: copyOf, stated } = scene()
    const copy = copyOf('3.1162.0')
    copy.hooked('SSMClient.prototype.send')
    expect(await stated()).toEqual([])
    await audit.start()
    copyOf(undefined, ':wire').wire('GET get_credential')
    copyOf(undefined, ':wire').wire('GET issue_credential')
    copy.notHooked('its probe did not come back')
    copy.notHooked('its probe did not come back')
    copy.called()
    const known = {
      operation: 'audit_coverage',
      node: process.version,
      since: expect.stringMatching(/^2.*Z$/),
      // As the rows of its lifecycle name it.
      pipeline: expect.stringMatching(/^[\da-f-]{36}$/),
    }
    expect(await stated()).toEqual([
      { ...known, credential: `${client}@3.1162.0`, outcome: 'hooked', hook: 'SSMClient.prototype.send' },
      { ...known, credential: `${client}:wire`, outcome: 'wire', reason: 'GET get_credential' },
      {
        ...known,
        credential: `${client}@3.1162.0`,
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
    const { audit, copy, stated, lines } = scene()
    copy('1.0.0').hooked('send')
    await audit.start()
    const daily = each.filter(({ ms }) => ms === DAY_MS)
    expect(daily).toHaveLength(1)
    daily[0]?.work()
    const rows = await stated()
    expect(rows).toHaveLength(2)
    expect(rows[1]).toEqual(rows[0])
    await audit.close()
    copy('1.0.0').notHooked('after the end')
    expect(await stated()).toHaveLength(2)
    expect(lines.join()).not.toContain('after the end')
  })

  it('that changes for ever gets a bounded number of rows', async () => {
    const { audit, copy: copyOf, stated } = scene()
    await audit.start()
    const copy = copyOf('1.0.0')
    for (let i = 0; i < 1000; i++) copy.notHooked(`reason ${i} ${'x'.repeat(10_000)}`)
    const rows = await stated()
    expect(rows).toHaveLength(16)
    expect(String(rows[0]?.['reason']).length).toBe(512)
  })

  it('is not in the rows of an application’s tests, which start nothing', async () => {
    const { audit, copy, stated } = scene()
    copy('1.0.0').hooked('send')
    await audit.service.record({ credential: 'db', operation: 'get_credential', outcome: 'ok' })
    expect(await stated()).toEqual([])
  })

  it('cannot be forged by an application', async () => {
    const { audit } = scene()
    const fields = { credential: 'node-vault', operation: 'audit_coverage', outcome: 'hooked' } as const
    await expect(audit.service.record(fields)).rejects.toMatchObject({
      code: 'AUDIT_INVALID_EVENT',
      field: 'operation',
    })
  })

  it('is said at once where a client is not hooked, or cannot be held back', () => {
    const { client, copy, lines } = scene()
    copy('1.0.0').notHooked('it was loaded before')
    copy(undefined, ':grpc').observed('AccessSecretVersion')
    copy('0.10.2', ':other').hooked('request')
    expect(lines).toEqual([
      `otel-audit: ${client}@1.0.0 is loaded and not hooked: it was loaded before; docs/coverage.md`,
      `otel-audit: ${client}:grpc is seen, and what it reads cannot be held back: AccessSecretVersion; docs/coverage.md`,
    ])
  })

  it('is what coverage() answers', () => {
    const { audit, client, copy } = scene()
    copy('1.0.0').hooked('send')
    copy(undefined, ':unknown')
    expect(audit.coverage().filter(({ name }) => name.startsWith(client))).toEqual([
      { name: client, version: '1.0.0', state: 'hooked', hook: 'send', reason: undefined, calls: 0 },
    ])
    expect(scene({ instrument: 'off' }).audit.coverage()).toEqual([])
  })

  it('is a metric: the state of each client, and what each layer has seen', async () => {
    const { samples } = scraper()
    const { audit, client, copy } = scene()
    await audit.start()
    const found = async (name: string) =>
      (await samples())
        .filter((one) => one.name === name && (one.labels['client'] ?? client).startsWith(client))
        .map(({ labels, value }) => ({ ...labels, value }))
    expect(await found('noetl_secret_audit_accesses_total')).toEqual([
      { layer: 'client', value: 0 },
      { layer: 'wire', value: 0 },
      { layer: 'observed', value: 0 },
    ])
    expect(await found('noetl_secret_audit_coverage')).toEqual([])
    copy('1.0.0').hooked('send')
    copy('1.0.0').notHooked('gone')
    copy(undefined, ':wire').wire('…')
    audit.watch.coverage.counted('client')
    audit.watch.coverage.claimed()
    expect(await found('noetl_secret_audit_coverage')).toEqual([
      { client, version: '1.0.0', state: 'not_hooked', value: 1 },
      { client: `${client}:wire`, version: 'unknown', state: 'wire', value: 1 },
    ])
    expect((await found('noetl_secret_audit_accesses_total')).map(({ value }) => value)).toEqual([1, 0, 0])
  })
})
