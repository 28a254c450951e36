import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { VERSION } from 'otel-audit'
import { describe, expect, it } from 'vitest'
import { cycleIn, importsBelow, loadedBy } from './support/import-graph.js'

const ROOT = join(import.meta.dirname, '..')
const SRC = join(ROOT, 'src')
const IMPORTS = importsBelow(SRC)
const MANIFEST = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Record<
  string,
  Record<string, string>
>

/** A record moves down this list. A file imports from its own layer and from those above it. */
const LAYERS = [
  'errors.ts',
  'version.ts',
  'host',
  'event',
  'contract',
  'chain',
  'otel',
  'spool',
  'verify',
  'sinks',
  'instrument',
  'service',
  'exporter',
  'postgres',
  'query',
  'archive',
  'reconcile',
  'server',
  'gateway',
  'options',
  'watch',
  'audit',
  'instrumentation.ts',
  'register.ts',
  'register-require.cts',
  'index.ts',
  'cli',
]

const layerOf = (file: string): number => LAYERS.indexOf(file.split('/')[0] ?? '')
const isIn = (file: string, place: string): boolean => file === place || file.startsWith(`${place}/`)
const isPackage = (to: string): boolean => !/\.c?ts$/.test(to)
/** Of a part of a package. */
const packageOf = (to: string): string => /^(@[^/]+\/)?[^/]+/.exec(to)?.[0] ?? to

describe('imports', () => {
  it('are found at all', () => {
    expect(IMPORTS.length).toBeGreaterThan(100)
    expect(
      IMPORTS.filter(({ from, to }) => layerOf(from) < 0 || (!isPackage(to) && layerOf(to) < 0)),
    ).toEqual([])
  })

  it('point towards the event', () => {
    expect(IMPORTS.filter(({ from, to }) => !isPackage(to) && layerOf(to) > layerOf(from))).toEqual([])
  })

  it('go round in no circle', () => {
    expect(cycleIn(IMPORTS)).toBeUndefined()
  })

  it('of packages are declared in package.json', () => {
    const declared = ['dependencies', 'peerDependencies', 'optionalDependencies'].flatMap((kind) =>
      Object.keys(MANIFEST[kind] ?? {}),
    )
    const packages = IMPORTS.map(({ to }) => to).filter((to) => isPackage(to) && !to.startsWith('node:'))
    const used = new Set(packages.map(packageOf))
    expect([...used].filter((name) => !declared.includes(name))).toEqual([])
  })
})

describe('the event', () => {
  it('is pure: no OpenTelemetry, no Postgres, no network, no files', () => {
    const packages = IMPORTS.filter(({ from, to }) => isIn(from, 'event') && isPackage(to)).map(
      ({ to }) => to,
    )
    expect(new Set(packages)).toEqual(new Set(['node:os', 'node:worker_threads']))
  })

  it('has the names of its span attributes in one place', () => {
    const files = new Set(IMPORTS.map(({ from }) => from))
    const naming = [...files].filter((file) =>
      /'(secret_audit\.\w*|secret\.access|audit\.[\w.]+)'/.test(source(file)),
    )
    expect(naming).toEqual(['otel/span-event.ts'])
  })
})

describe('a session of Postgres', () => {
  it('is opened in one place', () => {
    const loading = IMPORTS.filter(({ to, typeOnly }) => /^pg($|[-/])/.test(to) && !typeOnly)
    expect(loading.map(({ from, to }) => `${from}: ${to}`)).toEqual(['postgres/session.ts: pg'])
  })
})

describe('globals of the process', () => {
  /** With the reason. */
  const MAY_USE_THEM = new Map([['errors.ts', 'it is above host/, and writes texts for people']])
  const TIMERS =
    /(?<![.\w#])(setTimeout|clearTimeout|setInterval|clearInterval|setImmediate|queueMicrotask)\(|(?<![.\w])(JSON|performance)\.\w/g
  const NEVER =
    /(?<![.\w])(Date\.now|Math\.random|structuredClone\(|globalThis\.(set|clear|queue|JSON|Date|Math|performance))/

  const withoutComments = (text: string): string => text.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')

  it('are taken once, by host/: no other file uses one of its own', () => {
    const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter(
      (file) => file.endsWith('.ts') && !isIn(file, 'host') && !MAY_USE_THEM.has(file),
    )
    const using = files.flatMap((file) => {
      const text = withoutComments(source(file))
      const [, imported = ''] = /import \{([^}]*)\} from '[./]+host\/globals\.js'/.exec(text) ?? []
      const taken = new Set(imported.split(',').map((name) => name.trim()))
      const own = [...text.matchAll(TIMERS)].map(([, timer, object]) => timer ?? object ?? '')
      const wrong = own.filter((name) => !taken.has(name))
      const never = NEVER.exec(text)?.[0]
      return [...wrong, ...(never === undefined ? [] : [never])].map((name) => `${file}: ${name}`)
    })
    expect(using).toEqual([])
  })

  it('nor has one hashes, signatures or random bytes of its own', () => {
    const using = IMPORTS.filter(({ to, typeOnly }) => to === 'node:crypto' && !typeOnly)
    expect(using.map(({ from }) => from)).toEqual(['host/crypto.ts'])
  })
})

describe('the evidence', () => {
  it('is pure: no OpenTelemetry, no Postgres, no network, no files', () => {
    const packages = IMPORTS.filter(({ from, to }) => isIn(from, 'chain') && isPackage(to)).map(
      ({ to }) => to,
    )
    // Types of keys.
    expect(new Set(packages)).toEqual(new Set(['node:crypto']))
  })

  it('loads nothing but the parts of Node', () => {
    const packages = [...loadedBy('chain/index.ts', IMPORTS)].filter((to) => isPackage(to))
    expect(packages.filter((name) => !name.startsWith('node:'))).toEqual([])
  })
})

describe('loading the main entry', () => {
  it('loads nothing but the OpenTelemetry API, and the parts of Node', () => {
    const packages = [...loadedBy('index.ts', IMPORTS)].filter(
      (to) => isPackage(to) && !to.startsWith('node:'),
    )
    expect(packages).toEqual(['@opentelemetry/api'])
  })

  it('does nothing: it reads no environment, starts nothing that runs, and listens to no signal', () => {
    const script = `
      const read = []
      // Node's own loader looks at it, too.
      const byNode = () => new Error().stack.split('\\n')[3]?.includes('node:internal')
      const note = (_, key) => { if (!byNode()) read.push(String(key)) }
      process.env = new Proxy({}, { get: note, has: note, ownKeys: () => { note(0, 'all'); return [] } })
      const before = { running: process.getActiveResourcesInfo(), listeners: process.eventNames() }
      await import('otel-audit')
      // What the loader itself still closes.
      for (let i = 0; i < 100 && process.getActiveResourcesInfo().length > 0; i++) await new Promise(setImmediate)
      const after = { running: process.getActiveResourcesInfo(), listeners: process.eventNames() }
      console.log(JSON.stringify({ read, before, after }))
    `
    const printed = execFileSync(process.execPath, ['--input-type=module', '--eval', script], {
      cwd: ROOT,
      encoding: 'utf8',
    })
    const { read, before, after } = JSON.parse(printed) as Record<string, unknown>
    expect(read).toEqual([])
    expect(after).toEqual(before)
  })
})

describe('the version', () => {
  it('is that of the package', () => {
    expect(VERSION).toBe(MANIFEST['version'])
  })
})

function source(file: string): string {
  return readFileSync(join(SRC, file), 'utf8')
}
