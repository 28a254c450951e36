import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

const entry = (file: string): string => readFileSync(join(import.meta.dirname, '../src', file), 'utf8')
const INDEX = entry('index.ts')
const NAMES = /\{([^}]*)\}/

function namesOf(statement: string): string[] {
  const [, names = ''] = NAMES.exec(statement) ?? []
  return names
    .split(',')
    .map((name) =>
      name
        .trim()
        .replace(/^type /, '')
        .replace(/ as .*/, ''),
    )
    .filter(Boolean)
}

const exportedBy = (source: string): string[] =>
  [...source.matchAll(/^export [^']*'/gm)].flatMap(([statement]) => namesOf(statement))
const EXPORTED = exportedBy(INDEX)

function usedByTests(specifier = 'otel-audit'): ReadonlySet<string> {
  const files = readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.test.ts'),
  )
  const statements = files.flatMap((path) => [
    ...readFileSync(join(import.meta.dirname, path), 'utf8').matchAll(
      new RegExp(`^import [^']* from '${specifier}'`, 'gm'),
    ),
  ])
  return new Set(statements.flatMap(([statement]) => namesOf(statement)))
}

describe('the main entry', () => {
  it('re-exports, and does nothing else', () => {
    const rest = INDEX.replaceAll(/^export (type )?\{[^}]*\} from '\.\/[\w./-]+\.js'$/gm, '').trim()
    expect(rest).toBe('')
    expect(EXPORTED.length).toBeGreaterThan(50)
  })

  it('exports what the package promises', () => {
    const promised = [
      'createAudit',
      'SecretAuditService',
      'buildEvent',
      'Operation',
      'Outcome',
      'AuditSpanProcessor',
      'AuditSampler',
      'DurableAuditExporter',
      'PostgresAuditSink',
      'NoopAuditSink',
      'RecordingAuditSink',
      'AuditError',
    ]
    expect(promised.filter((name) => !EXPORTED.includes(name))).toEqual([])
  })

  it('exports nothing that no test uses as a user would', () => {
    const used = usedByTests()
    expect(EXPORTED.filter((name) => !used.has(name))).toEqual([])
  })

  it('can be loaded by require as well', async () => {
    const { createRequire } = await import('node:module')
    const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
    expect(major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19)).toBe(true)
    const required = createRequire(import.meta.url)('otel-audit') as Record<string, unknown>
    expect(required['createAudit']).toBeTypeOf('function')
  })
})

describe('the entry of the evidence', () => {
  const chain = readFileSync(join(import.meta.dirname, '../src/chain/index.ts'), 'utf8')
  const exported = exportedBy(chain)

  it('re-exports, and does nothing else', () => {
    const rest = chain.replaceAll(/^export (type )?\{[^}]*\} from '\.\/[\w./-]+\.js'$/gm, '').trim()
    expect(rest).toBe('')
    expect(exported).toEqual(expect.arrayContaining(['leafHash', 'openNote', 'verifyConsistency']))
  })

  it('exports nothing that no test uses as a user would', () => {
    const used = usedByTests('otel-audit/chain')
    expect(exported.filter((name) => !used.has(name))).toEqual([])
  })

  it('can be imported and required, as the package is installed, without anything but Node', async () => {
    const { createRequire } = await import('node:module')
    const { execFileSync } = await import('node:child_process')
    const required = createRequire(import.meta.url)('otel-audit/chain') as Record<string, unknown>
    expect(required['merkleRoot']).toBeTypeOf('function')
    const script = `import { generateNoteKey, openNote, signNote } from 'otel-audit/chain'
      const { signer, verifierKey } = generateNoteKey('log.example')
      console.log(openNote(signNote('hello\\n', signer), [verifierKey]).text)`
    const printed = execFileSync(process.execPath, ['--input-type=module', '--eval', script], {
      cwd: join(import.meta.dirname, '..'),
      encoding: 'utf8',
    })
    expect(printed).toBe('hello\n\n')
  })
})

describe.each([
  ['otel-audit/query', 'query/index.ts'],
  ['otel-audit/instrumentation', 'instrumentation.ts'],
  ['otel-audit/server', 'server/index.ts'],
])('the entry %s', (specifier, file) => {
  it('re-exports, and exports nothing that no test uses as a user would', () => {
    const source = entry(file)
    expect(source.replaceAll(/^export (type )?\{[^}]*\} from '\.{1,2}\/[\w./-]+\.js'$/gm, '').trim()).toBe('')
    const used = usedByTests(specifier)
    expect(exportedBy(source).filter((name) => !used.has(name))).toEqual([])
  })
})
