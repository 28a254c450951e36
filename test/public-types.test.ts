import { readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, expect, it } from 'vitest'
import { packageRoot } from './support/postgres/package-root.js'

const DIST = join(packageRoot(), 'dist')
const MANIFEST = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as {
  exports: unknown
  dependencies: Record<string, string>
}

/** The declarations of a file without comments, in which any word may stand. */
function declarations(file: string): string {
  return readFileSync(file, 'utf8').replaceAll(/\/\*.*?\*\/|^\s*\/\/.*$/gms, '')
}

const IMPORT = /(?:\bfrom\s*|\bimport\s*\(?\s*)['"]([^'"]+)['"]/g

/** Every declaration file that is loaded when the entries are, and the packages that they need. */
function walk(entries: readonly string[]) {
  const files = new Set(entries)
  const packages = new Set<string>()
  for (const file of files) {
    for (const [, specifier = ''] of declarations(file).matchAll(IMPORT)) {
      if (specifier.startsWith('.')) files.add(join(dirname(file), specifier.replace(/\.(c?)js$/, '.d.$1ts')))
      else packages.add(specifier)
    }
  }
  return { files: [...files], packages: [...packages] }
}

const ENTRIES = [
  ...new Set(
    JSON.stringify(MANIFEST.exports)
      .match(/(?<="types":")[^"]+/g)
      ?.map((path) => join(packageRoot(), path)),
  ),
]

const INSTRUMENTATION = join(DIST, 'instrumentation.d.ts')

const packagesOf = (...entries: readonly string[]): readonly string[] =>
  walk(entries).packages.filter((name) => !name.startsWith('node:'))

describe('what a consumer sees of the types', () => {
  const { files } = walk(ENTRIES)

  it('is walked from every entry', () => {
    expect(ENTRIES.length).toBeGreaterThanOrEqual(6)
    expect(files.length).toBeGreaterThan(50)
  })

  it('has no any', () => {
    const found = files.flatMap((file) =>
      declarations(file)
        .split('\n')
        .filter((line) => /\bany\b/.test(line.replaceAll(/(['"]).*?\1/g, '')))
        .map((line) => `${relative(DIST, file)}: ${line.trim()}`),
    )
    expect(found).toEqual([])
  })

  // Without its types everything that is made of them would be any.
  it('needs no package but the OpenTelemetry API for the main entry', () => {
    expect(packagesOf(join(DIST, 'index.d.ts'))).toEqual(['@opentelemetry/api'])
  })

  it('needs no package that is not installed with this one', () => {
    const installed = [...Object.keys(MANIFEST.dependencies), '@opentelemetry/api']
    const entries = ENTRIES.filter((path) => path !== INSTRUMENTATION)
    expect(packagesOf(...entries).filter((name) => !installed.includes(name))).toEqual([])
    // For those who have it: its class extends theirs.
    const theirs = packagesOf(INSTRUMENTATION).filter((name) => !installed.includes(name))
    expect(theirs).toEqual(['@opentelemetry/instrumentation'])
  })
})
