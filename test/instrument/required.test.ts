import { describe, expect, it, onTestFinished } from 'vitest'
import { type Audit, createAudit } from '../../src/audit/audit.js'
import { AuditError } from '../../src/errors.js'
import { applyHook, type ClientHook } from '../../src/instrument/client-hook.js'
import type { AuditOptions } from '../../src/options/options.js'
import { RecordingAuditSink } from '../../src/sinks/recording.js'
import { waitUntil } from '../support/wait-until.js'
import { watched } from './watched.js'

const quiet = { error: () => {}, warn: () => {} }

function required(options: AuditOptions = {}): Audit {
  const sink = new RecordingAuditSink()
  const audit = createAudit({ sink, logger: quiet, lingerMs: 0, instrument: 'required', ...options })
  // The register is that of the process.
  onTestFinished(async () => {
    for (const { name, version } of audit.coverage()) audit.watch.coverage.copy(name, version).hooked('send')
    await audit.close({ timeoutMs: 100 })
  })
  return audit
}

const record = (audit: Audit): Promise<unknown> =>
  audit.service.recordStrict({ credential: 'db', operation: 'get_credential', outcome: 'ok' })

const refusal = {
  code: 'AUDIT_NOT_COVERED',
  message: expect.stringContaining('@1password/sdk@0.5.0 is not_hooked (gone)'),
}

describe('instrument: required', () => {
  it.each([false, true])('refuses to start when a client is not covered; strict: %s', async (strict) => {
    const audit = required({ strict })
    const copy = audit.watch.coverage.copy('@1password/sdk', '0.5.0')
    copy.notHooked('gone')
    await expect(audit.start()).rejects.toMatchObject(refusal)
    await expect(record(audit)).rejects.toMatchObject({ code: 'AUDIT_SELF_TEST' })
    copy.hooked('Secrets.prototype.resolve')
    // The record has begun a start of its own.
    await waitUntil('a start that succeeds', () => audit.start().then(Boolean, () => false))
    await expect(record(audit)).resolves.toHaveProperty('auditId')
  })

  it('refuses strict records from the time on when a client is not covered any more', async () => {
    const audit = required()
    await audit.start()
    await expect(record(audit)).resolves.toHaveProperty('auditId')
    audit.watch.coverage.copy('grpc:gcp', undefined).observed('AccessSecretVersion')
    const error = await record(audit).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(AuditError)
    expect(error).toMatchObject({ code: 'AUDIT_SELF_TEST', row: 'not-stored' })
    expect((error as AuditError).message).toContain('grpc:gcp is observed (AccessSecretVersion)')
  })

  it('is content with what is hooked, and with what the wire holds back', async () => {
    const audit = required()
    audit.watch.coverage.copy('@1password/sdk', '0.5.0').hooked('Secrets.prototype.resolve')
    audit.watch.coverage.copy('@aws-sdk/client-ssm', '3.0.0').notHooked('loaded before')
    audit.watch.coverage.copy('wire:vault', undefined).wire('…')
    await audit.start()
    await expect(record(audit)).resolves.toHaveProperty('auditId')
  })

  it('without being required changes nothing', async () => {
    const audit = required({ instrument: 'on' })
    audit.watch.coverage.copy('@1password/sdk', '0.5.0').notHooked('gone')
    await audit.start()
    await expect(record(audit)).resolves.toHaveProperty('auditId')
  })

  it('does not go with a wire that is off', async () => {
    const audit = required({ instrumentDisable: 'aws-kms, wire' })
    await expect(audit.start()).rejects.toMatchObject({
      code: 'AUDIT_INVALID_OPTION',
      field: 'instrumentDisable',
    })
  })
})

describe('a client that only a hook can see', () => {
  const hook = (name: string, isThere: boolean): ClientHook => ({
    name: 'fake',
    packages: [name],
    supportedVersions: ['*'],
    hook: (_, { copy }) => {
      if (isThere) throw new Error('moved')
      copy.notHooked('gone')
      return undefined
    },
  })
  const load = (instrument: 'on' | 'required', name: string, isThere = false): unknown => {
    const { watch } = watched({}, { instrument })
    return applyHook(watch, hook(name, isThere), 'exports', { name, version: '0.5.0' })
  }

  it('is not loaded without it when that is required', () => {
    expect(() => load('required', '@1password/sdk')).toThrow(expect.objectContaining(refusal))
    expect(() => load('required', '@1password/sdk', true)).toThrow(/AUDIT_NOT_COVERED.*the hook threw/)
  })

  it('is loaded as it is when it is not, or when the wire sees it too', () => {
    expect(load('on', '@1password/sdk')).toBe('exports')
    expect(load('required', '@aws-sdk/client-ssm')).toBe('exports')
  })
})
