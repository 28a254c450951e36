import { defineConfig } from 'vitest/config'
import config from './vitest.config.js'
import { TESTS } from './scripts/mutation-modules.mjs'

const { projects: _, coverage: __, sequence: ___, ...test } = config.test ?? {}

/** The tests that a mutant of one module is given to: `npm run mutation`. None of them needs a database. */
export default defineConfig({
  ...config,
  test: { ...test, include: TESTS[process.env['MUTATED_MODULE'] ?? ''] ?? [], maxWorkers: 1 },
})
