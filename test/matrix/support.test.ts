import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { COMBINATIONS } from '../../matrix/combinations.js'
import { packageRoot } from '../support/postgres/package-root.js'

it('docs/support.md has a result of every suite of the matrix, and of no other', () => {
  const text = readFileSync(join(packageRoot(), 'docs', 'support.md'), 'utf8')
  const printed = [...text.matchAll(/^ok +(\S+) +(\S.*?) +\d+ checks? /gm)].map(([, ...names]) =>
    names.join(': '),
  )
  const suites = COMBINATIONS.flatMap(({ name, suites }) => suites.map((suite) => `${name}: ${suite.name}`))
  expect(printed).toEqual(suites)
})
