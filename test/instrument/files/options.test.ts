import fs from 'node:fs'
import { readFile } from 'node:fs/promises'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { type Audit, createAudit } from '../../../src/audit/audit.js'
import type { AuditOptions } from '../../../src/options/options.js'
import { RecordingAuditSink } from '../../../src/sinks/recording.js'
import { said } from '../watched.js'
import { CANARY, mount } from './mount.js'

const quiet = { error: () => {}, warn: () => {} }

function started(options: AuditOptions): { audit: Audit; rows: () => Promise<readonly object[]> } {
  const sink = new RecordingAuditSink()
  const audit = createAudit({ sink, logger: quiet, lingerMs: 0, instrument: 'on', ...options })
  onTestFinished(() => audit.close({ timeoutMs: 100 }))
  const rows = async () => {
    await audit.flush()
    return sink.events.filter(({ operation }) => operation === 'get_credential').map(said)
  }
  return { audit, rows }
}

it('without instrumentFiles nothing of node:fs is replaced; with it, what is read has a row', async () => {
  const { readFile: byCallback, readFileSync, openSync, open } = fs
  const promised = fs.promises.readFile
  const at = mount()
  const without = started({})
  await without.audit.start()
  expect([fs.readFile, fs.readFileSync, fs.openSync, fs.open, fs.promises.readFile]).toEqual([
    byCallback,
    readFileSync,
    openSync,
    open,
    promised,
  ])
  const { audit, rows } = started({ instrumentFiles: `on, ${at.secrets}` })
  await audit.start()
  expect(fs.readFile).not.toBe(byCallback)
  expect(await readFile(at.secret, 'utf8')).toBe(CANARY)
  expect(await rows()).toMatchObject([{ credential: at.credential('db'), provider: 'file' }])
  expect(audit.coverage()).toContainEqual(
    expect.objectContaining({ name: 'node:fs', version: process.versions.node, state: 'hooked' }),
  )
  // Who takes over has it off.
  const after = started({})
  await after.audit.start()
  await readFile(at.secret)
  expect(await after.rows()).toEqual([])
  expect(await rows()).toHaveLength(1)
})

describe('instrumentEnv', () => {
  it('each name is a row at start, and its value is nowhere', async () => {
    vi.stubEnv('ORDERS_DB_PASSWORD', CANARY)
    onTestFinished(() => void vi.unstubAllEnvs())
    const { audit, rows } = started({ instrumentEnv: 'ORDERS_DB_PASSWORD, ORDERS_GONE' })
    await audit.start()
    await audit.start()
    const common = {
      operation: 'get_credential',
      provider: 'env',
      source: 'env',
      api: 'start',
      seen: 'observed',
    }
    expect(await rows()).toEqual([
      { ...common, credential: 'env:ORDERS_DB_PASSWORD', outcome: 'ok' },
      { ...common, credential: 'env:ORDERS_GONE', outcome: 'credential_not_found' },
    ])
    expect(JSON.stringify(await rows())).not.toContain('hunter2')
    expect(audit.coverage().map(({ name }) => name)).not.toContain('process.env')
  })

  it('with instrument off there are none', async () => {
    const { audit, rows } = started({ instrument: 'off', instrumentEnv: 'PATH' })
    // As by `audit.instrument(client)`, which works all the same.
    expect(audit.watch.settings.env).toEqual(['PATH'])
    await audit.start()
    expect(await rows()).toEqual([])
  })

  it('a value in place of a name is refused, and not quoted', async () => {
    const { audit } = started({ instrumentEnv: `A,PASSWORD=${CANARY}` })
    const error: unknown = await audit.start().catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'AUDIT_INVALID_OPTION', field: 'instrumentEnv' })
    expect(String(error)).toContain('number 2')
    expect(String(error)).not.toContain('hunter2')
  })
})

it.each(['secrets', './secrets', '/', 'yes'])('instrumentFiles: %s is refused', async (instrumentFiles) => {
  const { audit } = started({ instrumentFiles })
  await expect(audit.start()).rejects.toMatchObject({
    code: 'AUDIT_INVALID_OPTION',
    field: 'instrumentFiles',
  })
})
