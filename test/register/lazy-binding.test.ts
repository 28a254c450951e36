import { afterAll, beforeAll, expect, it } from 'vitest'
import { migratedDatabase, type TestDatabase } from '../support/database.js'
import { Application } from './application.js'

let database: TestDatabase

beforeAll(async () => {
  database = await migratedDatabase()
})

afterAll(() => database.drop())

it.each(['import', 'require'] as const)(
  '--%s: a base class that is bound lazily is there for its subclass',
  async (preload) => {
    const application = new Application({
      app: 'lazy-binding/main.mjs',
      preload,
      env: { DATABASE_URL: database.url },
    })
    expect(await application.exit).toEqual({ code: 0, signal: null })
    expect(application.stdout).toBe('ok: Sub\n')
  },
)
