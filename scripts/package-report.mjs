// What a user gets who installs the package: its files, its size with all that it needs, and what importing it costs.
// Ends with 1 when there is a file that is not meant to be published or that nothing in src made, or an install script.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'

const ROOT = join(import.meta.dirname, '..')
const RUNS = 9
const MEANT = [
  /^dist\/.*\.(js|d\.ts|cjs|d\.cts)(\.map)?$/,
  /^dist\/.*\.(sql|html|css|svg)$/,
  // Where source maps, declaration maps, and the links of the documents lead.
  /^src\/.*\.c?ts$/,
  /^docs\/.*\.(md|svg|png)$/,
  /^examples\/.*\.(ts|mjs|md|json|sql)$/,
  /^examples\/other-languages\/.*\.(py|txt|go|mod|sum|java|xml)$/,
  /^deploy\/collector\/.*\.yaml$/,
  /^deploy\/prometheus\/.*\.yml$/,
  /^deploy\/kubernetes\/.*\.yaml$/,
  /^deploy\/systemd\/.*\.(service|timer)$/,
  /^deploy\/(image-packages\.mjs|otel-audit\.Dockerfile)$/,
  /^(scripts\/collector\/builder-config|otel-collector)\.yaml$/,
  /^([A-Z]+\.md|package\.json|LICENSE)$/,
]
const INSTALL_SCRIPTS = ['preinstall', 'install', 'postinstall', 'prepare']

const manifest = manifestOf(ROOT)
const [packed] = JSON.parse(run('npm', ['pack', '--dry-run', '--json', '--loglevel=error']))
const wrong = [
  ...packed.files.map(({ path }) => path).filter((path) => !MEANT.some((pattern) => pattern.test(path))),
  ...packed.files.map(({ path }) => path).filter((path) => path.startsWith('dist/') && !hasSource(path)),
  ...INSTALL_SCRIPTS.filter((name) => manifest.scripts[name]).map((name) => `script ${name}`),
]

console.log(
  `package      ${packed.entryCount} files, ${kb(packed.size)} packed, ${kb(packed.unpackedSize)} unpacked`,
)
for (const [folder, files] of byFolder(packed.files)) {
  const size = files.reduce((sum, file) => sum + file.size, 0)
  console.log(
    `             ${folder.padEnd(20)} ${String(files.length).padStart(4)} files ${kb(size).padStart(9)}`,
  )
}
const needed = closure(Object.keys(manifest.dependencies))
console.log(`dependencies ${needed.size} packages, ${kb(sizeOf(needed))}: ${names(needed)}`)
const optional = closure(Object.keys(manifest.optionalDependencies), needed)
console.log(`optional     ${optional.size} packages, ${kb(sizeOf(optional))}: ${names(optional)}`)
const { api, elapsed, cpu } = importTime()
console.log(
  `import       ${elapsed.toFixed(1)} ms, ${cpu.toFixed(1)} ms of CPU, beyond @opentelemetry/api, itself ${api.toFixed(1)} ms (medians of ${RUNS} processes)`,
)
if (wrong.length > 0) {
  console.error(`not meant to be published: ${wrong.join(', ')}`)
  process.exitCode = 1
}

/** The compiler leaves what it made of a source that is gone. */
function hasSource(path) {
  const source = path.replace(/^dist/, 'src').replace(/\.map$/, '')
  const typed = source.replace(/(\.d)?\.(c?)[jt]s$/, '.$2ts')
  return [source, typed].some((file) => existsSync(join(ROOT, file)))
}

function byFolder(files) {
  const folders = new Map()
  for (const file of files) {
    const folder = dirname(file.path).split('/').slice(0, 2).join('/')
    folders.set(folder, [...(folders.get(folder) ?? []), file])
  }
  return folders
}

function names(packages) {
  return [...packages.keys()].sort((a, b) => a.localeCompare(b)).join(', ')
}

/** Directories of packages by name, with all that they need, but for those that are there already. */
function closure(names, known = new Map()) {
  const found = new Map()
  const add = (name, from) => {
    const directory = locate(name, from)
    if (directory === undefined || known.has(name) || found.has(name)) return
    found.set(name, directory)
    const { dependencies = {}, optionalDependencies = {} } = manifestOf(directory)
    for (const next of Object.keys({ ...dependencies, ...optionalDependencies })) add(next, directory)
  }
  for (const name of names) add(name, ROOT)
  return found
}

/** Where Node finds a package from a directory; undefined for those of other platforms. */
function locate(name, from) {
  for (let at = from; ; at = dirname(at)) {
    const directory = join(at, 'node_modules', name)
    if (statSync(directory, { throwIfNoEntry: false })) return directory
    if (at === ROOT || at === dirname(at)) return undefined
  }
}

function sizeOf(packages) {
  const below = (directory) =>
    readdirSync(directory, { withFileTypes: true }).reduce((sum, entry) => {
      const path = join(directory, entry.name)
      if (entry.name === 'node_modules') return sum
      return sum + (entry.isDirectory() ? below(path) : statSync(path).size)
    }, 0)
  return [...packages.values()].reduce((sum, directory) => sum + below(directory), 0)
}

/** Milliseconds. On a machine that does other things, look at the CPU. */
function importTime() {
  const script = `
    const start = performance.now()
    await import('@opentelemetry/api')
    const [from, used] = [performance.now(), process.cpuUsage()]
    await import('otel-audit')
    const { user, system } = process.cpuUsage(used)
    console.log(JSON.stringify({ api: from - start, elapsed: performance.now() - from, cpu: (user + system) / 1000 }))`
  const runs = Array.from({ length: RUNS }, () =>
    JSON.parse(run(process.execPath, ['--input-type=module', '--eval', script])),
  )
  const of = (name) => median(runs.map((times) => times[name]))
  return { api: of('api'), elapsed: of('elapsed'), cpu: of('cpu') }
}

function median(values) {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)]
}

function manifestOf(directory) {
  return JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'))
}

function run(program, args) {
  return execFileSync(program, args, { cwd: ROOT, encoding: 'utf8', maxBuffer: 2 ** 26 })
}

function kb(bytes) {
  return `${Math.round(bytes / 1000)} kB`
}
