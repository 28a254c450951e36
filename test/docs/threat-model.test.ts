import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { packageRoot } from '../support/postgres/package-root.js'

// docs/threat-model.md, held against the tests: every line names what shows it, or says why nothing can.

const page = readFileSync(join(packageRoot(), 'docs', 'threat-model.md'), 'utf8')

/** The lines of the tables, by attacker. */
const attackers = page
  .split(/^## /m)
  .slice(1)
  .map((section) => {
    const [attacker = '', ...lines] = section.split('\n')
    const rows = lines.filter((line) => line.startsWith('| ')).slice(1)
    return { attacker, rows: rows.map((row) => row.slice(2, -2).split(' | ')) }
  })

/** What stands in a test file as the title of a test: a string that is the first argument of a call. */
function hasTitle(file: string, title: string): boolean {
  const path = join(packageRoot(), 'test', `${file}.test.ts`)
  if (!existsSync(path)) return false
  const source = readFileSync(path, 'utf8')
  return ["'", '"', '`'].some((quote) =>
    new RegExp(`\\(\\s*${quote}${title.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')}${quote}`).test(source),
  )
}

describe('the threat model', () => {
  test('begins with what it cannot do', () => {
    expect(page.split('\n\n')[1]?.replaceAll('\n', ' ')).toMatch(
      /^A superuser, a C extension, .* nothing in the database holds against them\./,
    )
  })

  test('says of each attacker what it can do and what it cannot', () => {
    expect(attackers.length).toBeGreaterThan(6)
    for (const { attacker, rows } of attackers) {
      expect(rows.length, attacker).toBeGreaterThan(1)
      for (const row of rows) {
        expect(row, attacker).toHaveLength(3)
        expect(row[1], row[0]).toMatch(/^(?:can|cannot|is an error)\b/)
      }
    }
  })

  test('names a test on every line, and only tests that exist; what cannot be done always has one', () => {
    const missing: string[] = []
    for (const { rows } of attackers) {
      for (const [what = '', verdict = '', shown = ''] of rows) {
        const named = /^`([\w/-]+)` "([^"]+)"$/.exec(shown)
        if (named === null) {
          expect(shown, what).toMatch(/^no test: .+/)
          expect(verdict, what).not.toMatch(/^cannot/)
        } else if (!hasTitle(named[1] ?? '', named[2] ?? '')) missing.push(shown)
      }
    }
    expect(missing).toEqual([])
  })
})
