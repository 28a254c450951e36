import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')
const page = readFileSync(join(ROOT, 'docs/gateway.md'), 'utf8')
const [, table = ''] = page.split('## What can fail')
const lines = table.split('\n').filter((line) => line.startsWith('| '))

it('has a test or a kill of the soak for each line, and they are there', () => {
  const rows = lines.slice(1).map((line) => line.slice(2, -2).split(' | '))
  expect(rows.length).toBeGreaterThan(20)
  for (const [what, , kill = '', tests = ''] of rows) {
    expect(`${kill}${tests}`.trim(), what).not.toBe('')
  }
  const named = [...table.matchAll(/`(test\/[\w/-]+\.test\.ts)`((?:,? "[^"]+")*)/g)]
  expect(named.length).toBeGreaterThan(15)
  for (const [, file = '', titles = ''] of named) {
    const source = readFileSync(join(ROOT, file), 'utf8')
    for (const [, title = ''] of titles.matchAll(/"([^"]+)"/g)) expect(source, file).toContain(title)
  }
})
