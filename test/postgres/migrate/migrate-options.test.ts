import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { migrate } from '../../../src/postgres/migrate/migrate.js'

test.each(['Noetl', 'no-etl', '1st', '', 'a"; drop schema public; --', 'pg_audit', 'x'.repeat(49)])(
  'refuses the schema name %j, before it connects',
  async (schema) => {
    await expect(migrate({ databaseUrl: 'postgres://localhost:1/x', schema })).rejects.toMatchObject({
      code: 'AUDIT_INVALID_OPTION',
      field: 'schema',
    })
  },
)

test('refuses a database URL that is none, without quoting it', async () => {
  const error = await migrate({ databaseUrl: 'postgres://u:canary-9d1e@[/x' }).catch(
    (error: unknown) => error,
  )
  expect(error).toMatchObject({ code: 'AUDIT_INVALID_OPTION', field: 'databaseUrl' })
  expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('canary-9d1e')
})

test('says that a server is not there, without quoting the password', async () => {
  const error = await migrate({ databaseUrl: 'postgres://u:canary-9d1e@localhost:1/x' }).catch(
    (error: unknown) => error,
  )
  expect(error).toMatchObject({ code: 'AUDIT_MIGRATION', message: expect.stringContaining('ECONNREFUSED') })
  expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('canary-9d1e')
})
