// Puts the modules of src/ into few files: Node takes longer to find and link two hundred modules than to run them.
//
// dist/lib has all code, each module of the library once and shared by all entries (code splitting), with source maps to src/.
// What package.json, threads and child processes name is where the compiler would have put it, as one line that leads there.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { build, transform } from 'esbuild'

const ROOT = join(import.meta.dirname, '..')
const SRC = join(ROOT, 'src')
const DIST = join(ROOT, 'dist')
const LIB = join(DIST, 'lib')
/** Of the oldest Node that is supported. */
const TARGET = 'node20.19'

/** Of one process: their modules have state that they share. */
const LIBRARY = [
  'index',
  'chain/index',
  'query/index',
  'server/index',
  'instrumentation',
  'register',
  'cli/main',
  // Of register-require.cjs.
  'audit/zero-code',
  'host/requirements',
]
/** Each has modules of its own, as threads and processes do: one file for each. */
const ALONE = [
  'cli/run/embedded/keeper',
  'cli/run/verify-worker',
  'postgres/read/rows-worker',
  'postgres/thread/worker',
  'spool/directories/inspect-process',
  'spool/lmdb/worker',
]
/** They run, and export nothing. */
const PROGRAMS = new Set(['register', 'cli/main', ...ALONE])

const flat = (entry) => entry.replaceAll('/', '-')
const sourceOf = (entry) => join(SRC, `${entry}.ts`)
const slashes = (path) => path.replaceAll('\\', '/')

/**
 * They load the main entry before themselves. Which file a module goes to is decided by the set of entries that reach it: with
 * this they all reach the whole of the main entry, which so is a few files and not forty.
 */
const BEHIND_MAIN = new Set(['query/index', 'server/index', 'instrumentation', ...loadedLater()])

/** What `import()` leads to. */
function loadedLater() {
  const files = readdirSync(SRC, { recursive: true }).filter((file) => /(?<!\.d)\.ts$/.test(file))
  return files.flatMap((file) => {
    const text = readFileSync(join(SRC, file), 'utf8')
    const targets = [...text.matchAll(/\bimport\('(\.[^']+)\.js'\)/g)].map(([, target]) => target)
    return targets.map((target) => slashes(relative(SRC, resolve(SRC, dirname(file), target))))
  })
}

/**
 * Files beside a module (SQL, workers) are found from where the module would be: all code is in one directory, so the way from
 * there is known. A bundler of the application's that makes CommonJS of this leaves nothing to go by, as without it.
 */
const places = {
  name: 'places',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]src[\\/].*\.ts$/ }, ({ path }) => {
      const entry = slashes(relative(SRC, path)).replace(/\.ts$/, '')
      // On one line with the first of the file: maps count lines.
      const before = BEHIND_MAIN.has(entry) ? `import ${JSON.stringify(sourceOf('index'))}; ` : ''
      const place = JSON.stringify(`../${entry}.js`)
      const text = readFileSync(path, 'utf8').replaceAll(
        'import.meta.url',
        `(import.meta.url && new URL(${place}, import.meta.url).href)`,
      )
      return { contents: before + text, loader: 'ts' }
    })
  },
}

async function bundle(entries) {
  await build({
    entryPoints: Object.fromEntries(entries.map((entry) => [flat(entry), sourceOf(entry)])),
    outdir: LIB,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: TARGET,
    packages: 'external',
    sourcemap: 'linked',
    sourcesContent: false,
    legalComments: 'none',
    // What package.json says of side effects is for the bundlers of applications.
    ignoreAnnotations: true,
    chunkNames: '[name]-[hash]',
    plugins: [places],
    logLevel: 'warning',
  })
}

/** One line where the compiler would have put the module. Its map names the source of what it leads to. */
function lead(entry) {
  const file = join(DIST, `${entry}.js`)
  const from = dirname(file)
  const path = slashes(relative(from, join(LIB, `${flat(entry)}.js`)))
  const target = JSON.stringify(path.startsWith('.') ? path : `./${path}`)
  const map = `${entry.split('/').at(-1)}.js.map`
  const lines = [
    ...(entry === 'cli/main' ? ['#!/usr/bin/env node'] : []),
    PROGRAMS.has(entry) ? `import ${target}` : `export * from ${target}`,
    `//# sourceMappingURL=${map}`,
    '',
  ]
  mkdirSync(from, { recursive: true })
  writeFileSync(file, lines.join('\n'))
  const sources = [slashes(relative(from, sourceOf(entry)))]
  writeFileSync(join(from, map), JSON.stringify({ version: 3, sources, names: [], mappings: '' }))
}

async function requireEntry() {
  const source = join(SRC, 'register-require.cts')
  const { code, map } = await transform(readFileSync(source, 'utf8'), {
    loader: 'ts',
    format: 'cjs',
    platform: 'node',
    target: TARGET,
    sourcemap: 'external',
    sourcesContent: false,
    sourcefile: '../src/register-require.cts',
  })
  writeFileSync(join(DIST, 'register-require.cjs'), `${code}//# sourceMappingURL=register-require.cjs.map\n`)
  writeFileSync(join(DIST, 'register-require.cjs.map'), map)
}

/** Of an earlier build. The console's are not compiled. */
function removeCode() {
  for (const file of readdirSync(DIST, { recursive: true })) {
    if (/\.c?js(\.map)?$/.test(file) && !slashes(file).startsWith('console/')) rmSync(join(DIST, file))
  }
}

removeCode()
await bundle(LIBRARY)
for (const entry of ALONE) await bundle([entry])
for (const entry of [...LIBRARY, ...ALONE]) lead(entry)
await requireEntry()
