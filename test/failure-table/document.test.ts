import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ERROR_CATALOGUE } from '../../src/errors.js'
import { packageRoot } from '../support/postgres/package-root.js'

// docs/failure-modes.md, held against the tests, the codes and the metrics: every cell names what produces it, and
// every test beside this file is named.

const page = readFileSync(join(packageRoot(), 'docs', 'failure-modes.md'), 'utf8')

interface Row {
  readonly failure: string
  readonly cells: readonly string[]
}

/** The tables of the page, without their heads. */
function tables(): Row[][] {
  return page
    .split('\n\n')
    .filter((block) => block.startsWith('| failure |'))
    .map((block) => {
      const lines = block.trimEnd().split('\n').slice(2)
      return lines.map((line) => {
        const [failure = '', ...cells] = line.slice(2, -2).split(' | ')
        return { failure, cells }
      })
    })
}

const [happens = [], seen = [], tested = []] = tables()

interface NamedTest {
  readonly file: string
  readonly title: string
}

const named: readonly NamedTest[] = tested.flatMap(({ cells }) =>
  cells.flatMap((cell) =>
    [...cell.matchAll(/`([\w/-]+)` "([^"]+)"/g)].map(([, file = '', title = '']) => ({ file, title })),
  ),
)

const pathOf = (file: string): string => join(packageRoot(), 'test', `${file}.test.ts`)

/** The titles in a test file, as they are written there. */
function titlesIn(path: string): string[] {
  const source = readFileSync(path, 'utf8')
  const calls = source.matchAll(
    /\b(?:test|it)(?:\.each\((?:\w+|\[[\s\S]*?\](?: as const)?)\))?\(\s*(['"`])((?:(?!\1).)+)\1/g,
  )
  return [...calls].map(([, , title = '']) => title)
}

describe('the page', () => {
  test('has the same failures in each of its tables', () => {
    expect(happens.length).toBeGreaterThan(15)
    const failures = happens.map(({ failure }) => failure)
    expect(new Set(failures).size).toBe(failures.length)
    for (const table of [seen, tested]) expect(table.map(({ failure }) => failure)).toEqual(failures)
  })

  test('leaves no cell empty', () => {
    for (const { failure, cells } of [...happens, ...seen, ...tested]) {
      expect(cells, failure).toHaveLength(3)
      for (const cell of cells) expect(cell.trim(), failure).not.toBe('')
    }
  })

  test('names in each cell a test, and only tests that exist', () => {
    for (const { failure, cells } of tested) {
      for (const cell of cells) expect(cell, failure).toMatch(/^`[\w/-]+` "[^"]+"(; `[\w/-]+` "[^"]+")*$/)
    }
    expect(named.length).toBeGreaterThan(50)
    const missing = named.filter(({ file, title }) => {
      return !existsSync(pathOf(file)) || !titlesIn(pathOf(file)).includes(title)
    })
    expect(missing).toEqual([])
  })

  test('names every test that makes a failure', () => {
    const files = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.test.ts'))
    const makers = files
      .map((name) => name.slice(0, -'.test.ts'.length))
      .filter((name) => name !== 'document')
    const aboutTheAccount = ['is wrong when an event is missing', 'refuses %s %s']
    const unnamed = makers.flatMap((name) =>
      titlesIn(pathOf(`failure-table/${name}`))
        .filter((title) => !aboutTheAccount.some((start) => title.startsWith(start)))
        .filter((title) => !named.some((one) => one.file === `failure-table/${name}` && one.title === title))
        .map((title) => `${name}: ${title}`),
    )
    expect(unnamed).toEqual([])
  })

  test('knows no code and no metric that there is not', () => {
    const codes = new Set(page.match(/AUDIT_[A-Z_]+/g))
    expect([...codes].filter((code) => !(code in ERROR_CATALOGUE))).toEqual([])
    const metrics = readFileSync(join(packageRoot(), 'docs', 'metrics.md'), 'utf8')
    const mentioned = new Set(seen.flatMap(({ cells }) => cells[0]?.match(/`[a-z_]+`/g) ?? []))
    const statuses = ['`dropped_async`', '`failed_strict`']
    const unknown = [...mentioned].filter((name) => !statuses.includes(name)).map((name) => name.slice(1, -1))
    expect(unknown.filter((name) => !metrics.includes(`noetl_secret_audit_${name}`))).toEqual([])
  })
})
