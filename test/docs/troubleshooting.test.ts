import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { emptyDatabase, migratedDatabase, type TestDatabase } from '../support/database.js'
import { packageRoot } from '../support/postgres/package-root.js'
import { Mistakes } from './mistakes.js'

const PAGE = readFileSync(join(packageRoot(), 'docs', 'troubleshooting.md'), 'utf8')
/** Rows of the table: the mistake, what is printed (`…` stands for any text of that line), what to do. */
const ROWS = [...PAGE.matchAll(/^\| (\d+\. [^|`]+) \| `([^`]+)` \| (.+) \|$/gm)].map(
  ([, mistake = '', printed = '']) => ({
    mistake: mistake.replace(/^\d+\. /, ''),
    printed,
  }),
)

let databases: readonly [TestDatabase, TestDatabase]
let mistakes: Mistakes

beforeAll(async () => {
  databases = [await migratedDatabase(), await emptyDatabase()]
  mistakes = new Mistakes(...databases)
})

afterAll(async () => {
  await mistakes.removeFiles()
  for (const database of databases) await database.drop()
})

describe('each mistake ends in one line that says what to do', () => {
  test('the page has all of them, in this order', () => {
    expect(ROWS.map(({ mistake }) => mistake)).toEqual(mistakes.all.map(([name]) => name))
    expect(ROWS).toHaveLength(10)
  })

  test.each(ROWS)('$mistake', async ({ mistake, printed }) => {
    const [, make] = mistakes.all.find(([name]) => name === mistake) ?? []
    if (make === undefined) throw new Error(`nobody makes this mistake: ${mistake}`)
    const { said } = await make()
    const literal = printed.split('…').map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
    const lines = said.split('\n').filter((line) => new RegExp(literal.join('.*')).test(line))
    expect(lines.length, said).toBe(1)
    expect(said).not.toContain('canary-9e02')
    // Not buried under stacks.
    expect(said.match(/^ {4}at /gm) ?? []).toEqual([])
  })
})
