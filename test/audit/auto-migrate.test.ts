import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { createAudit } from '../../src/audit/audit.js'
import { RecordingAuditSink } from '../../src/sinks/recording.js'
import { emptyDatabase } from '../support/database.js'
import { readTrail } from '../support/trail.js'

const ACCESS = { credential: 'orders-db', operation: 'get_credential', outcome: 'ok' } as const

describe('autoMigrate', () => {
  it('makes the tables of an empty database', async () => {
    const database = await emptyDatabase()
    const audit = createAudit({ databaseUrl: database.url, autoMigrate: true, strict: true })
    onTestFinished(async () => {
      await audit.close()
      await database.drop()
    })
    expect(await audit.start()).toMatchObject({ ok: true })
    await audit.service.recordStrict(ACCESS)
    expect(await readTrail(database.url)).toHaveLength(2)
  })

  it('is refused in production', async () => {
    vi.stubEnv('NODE_ENV', 'production')
    onTestFinished(() => void vi.unstubAllEnvs())
    const audit = createAudit({ sink: new RecordingAuditSink(), autoMigrate: true })
    onTestFinished(() => audit.close())
    await expect(audit.start()).rejects.toMatchObject({ code: 'AUDIT_INVALID_OPTION', field: 'autoMigrate' })
  })
})
