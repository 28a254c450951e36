import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { COMBINATIONS } from '../../matrix/combinations.js'
import { example } from '../../matrix/examples.js'
import { packageRoot } from '../support/postgres/package-root.js'

const FOLDER = join(packageRoot(), 'examples')
const FILES = readdirSync(FOLDER).filter((name) => name.endsWith('.mjs'))
const README = readFileSync(join(FOLDER, 'README.md'), 'utf8')
const SUITES = ['examples', 'frameworks'].map((name) =>
  readFileSync(join(packageRoot(), 'matrix', 'suites', `${name}.ts`), 'utf8'),
)

describe.each(FILES)('examples/%s', (file) => {
  const { packages, args } = example(file)

  it('says in its head what to install and how to start it', () => {
    expect(packages).toContain('@opentelemetry/api')
    expect(args.at(-1)).toBe(file)
  })

  it('imports nothing else', () => {
    const source = readFileSync(join(FOLDER, file), 'utf8')
    const imported = [...source.matchAll(/^import .* from '([^']+)'/gm)].map(([, name = '']) => name)
    const own = imported.filter((name) => name !== 'otel-audit' && !name.startsWith('node:'))
    expect(own.filter((name) => !packages.includes(name))).toEqual([])
  })

  it('is listed, and run by the matrix with what it installs', () => {
    expect(README).toContain(`[${file}](${file})`)
    expect(SUITES.filter((source) => source.includes(`'${file}'`))).toHaveLength(1)
    const names = (specs: readonly string[]) => specs.map((spec) => spec.replace(/(?<=.)@.*/, ''))
    const [first] = COMBINATIONS
    // `pg` comes with this package.
    const installed = [...names(first?.packages ?? []), 'pg']
    expect(packages.filter((name) => !installed.includes(name))).toEqual([])
  })
})
