import { describe, expect, test } from 'vitest'
import { openLmdbSpool } from '../../build/src/spool/lmdb/lmdb-spool.js'
import { temporaryDirectory } from '../spool/directories.js'
import { anEvent } from '../support/events.js'
import { otelAudit } from './otel-audit.js'

interface Report {
  readonly processes: readonly {
    readonly state: string
    readonly entries: number
    readonly quarantined: number
    readonly oldest: number | null
  }[]
}

describe('otel-audit spool status', () => {
  test('says what a living process has, and what a dead one left, with what was set aside', async () => {
    const directory = temporaryDirectory()
    const status = async (): Promise<Report> => {
      const { code, stdout } = await otelAudit(['spool', 'status', '--format', 'json'], {
        NOETL_SECRET_AUDIT_SPOOL_DIR: directory,
      })
      expect(code).toBe(0)
      return JSON.parse(stdout) as Report
    }
    const spool = await openLmdbSpool({ directory, maxBytes: 1024 ** 2 })
    const first = anEvent()
    const [key] = await spool.append([first, anEvent(), anEvent()])
    expect((await status()).processes).toMatchObject([
      { state: 'alive', entries: 3, quarantined: 0, oldest: first.occurredAt },
    ])
    if (key !== undefined) await spool.quarantine(key, 'refused by the database')
    await spool.close()
    expect((await status()).processes).toMatchObject([{ state: 'dead', entries: 2, quarantined: 1 }])
    const { stdout } = await otelAudit(['spool', 'status', '--directory', directory])
    expect(stdout).toMatch(
      /^dead {5}\S+: 2 events, \d+ bytes, oldest from \S+; 1 quarantined\n {9}quarantined: refused/,
    )
  })

  test('of a directory that nobody uses, that is not there, and that was not named', async () => {
    const { stdout } = await otelAudit(['spool', 'status', '--directory', temporaryDirectory()])
    expect(stdout).toBe('The spool directory is empty.\n')
    const missing = await otelAudit(['spool', 'status', '--directory', '/nowhere/at/all'])
    expect(missing.code).toBe(1)
    expect(missing.stderr).toContain('/nowhere/at/all cannot be read (ENOENT): name the spool directory')
    const foreign = await otelAudit(['spool', 'status', '--directory', import.meta.dirname])
    expect(foreign.code).toBe(0)
    expect(foreign.stderr).toContain('contains other files and no spool')
    expect((await otelAudit(['spool', 'status'])).code).toBe(2)
    expect((await otelAudit(['spool', 'status', '--format', 'xml'])).code).toBe(2)
  })
})
