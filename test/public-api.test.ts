import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

const INDEX = readFileSync(join(import.meta.dirname, '../src/index.ts'), 'utf8')
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

const EXPORTED = [...INDEX.matchAll(/^export [^']*'/gm)].flatMap(([statement]) => namesOf(statement))

function usedByTests(): ReadonlySet<string> {
  const files = readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.test.ts'),
  )
  const statements = files.flatMap((path) => [
    ...readFileSync(join(import.meta.dirname, path), 'utf8').matchAll(/^import [^']* from 'otel-audit'/gm),
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
