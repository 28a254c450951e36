import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { packageRoot } from '../../test/support/postgres/package-root.js'
import { Program } from '../../test/support/program.js'
import type { Suite } from '../suite.js'
import { namesOf } from './clients.js'

/** Every line of undici whose requests can be held. */
export const UNDICI_PACKAGES = (node: string): readonly string[] => [
  'undici-5@npm:undici@^5.0.0',
  'undici-6@npm:undici@^6.0.0',
  ...(Number(node) < 22 ? [] : ['undici-8@npm:undici@^8.0.0']),
]

interface Report {
  readonly success: boolean
  readonly numPassedTests: number
  readonly testResults: readonly {
    readonly name: string
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[]
  }[]
}

/** The tests of this repository about the wire, under this Node, with these copies of undici beside that of the repository. */
export const wireTestsSuite = (node: string): Suite => ({
  name: "the wire's own tests",
  about: namesOf(UNDICI_PACKAGES(node)),
  async run({ consumer, database, check }) {
    const copies = namesOf(UNDICI_PACKAGES(node)).map((name) =>
      join(consumer.directory, 'node_modules', name),
    )
    const outputFile = join(consumer.directory, 'wire-tests.json')
    const program = new Program({
      args: [
        join('node_modules', 'vitest', 'vitest.mjs'),
        'run',
        'test/instrument/wire',
        '--coverage.enabled=false',
        '--maxWorkers=1',
        '--reporter=json',
        `--outputFile=${outputFile}`,
      ],
      cwd: packageRoot(),
      node: consumer.node,
      env: { UNDICI_COPIES: copies.join(','), TEST_DATABASE_URL: database.ownerUrl },
    })
    const { code } = await program.exit
    const report = await readFile(outputFile, 'utf8').then(
      (text) => JSON.parse(text) as Report,
      () => undefined,
    )
    if (report === undefined) throw new Error(`it ended with ${code}: ${program.stdout}${program.stderr}`)
    for (const { name, assertionResults } of report.testResults) {
      const failed = assertionResults.filter(({ status }) => status === 'failed')
      await check(name.slice(packageRoot().length + 1), async () => {
        assert.deepEqual(
          failed.map(({ fullName }) => fullName),
          [],
        )
        return `${assertionResults.filter(({ status }) => status === 'passed').length} tests`
      })
    }
    assert.equal(code, 0, program.stderr)
  },
})
