// What a user gets who installs the package: its files, its size with all that it needs, and what importing it costs.
// Ends with 1 when there is a file that is not meant to be published or that nothing in src made, or an install script.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'

const ROOT = join(import.meta.dirname, '..')
const RUNS = 15
/** What a user was promised. Said, and not enforced but for the size: CPU depends on the machine. */
const BOUNDS = { installedBytes: 20_000_000, importMs: 25, helpMs: 250 }
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
const size = packed.unpackedSize + sizeOf(needed) + sizeOf(closure(['@opentelemetry/api']))
check(
  'installed',
  `${kb(size)} beside @opentelemetry/api, without what is optional`,
  size,
  BOUNDS.installedBytes,
)
const { api, cpu, elapsed } = importTime()
check(
  'import',
  `${cpu.toFixed(1)} ms of CPU (${elapsed.toFixed(1)} ms) beyond @opentelemetry/api, itself ${api.toFixed(1)} ms`,
  cpu,
  BOUNDS.importMs,
)
const help = helpTime()
check(
  '--help',
  `${help.toFixed(0)} ms of CPU, of which Node itself takes ${nodeTime().toFixed(0)}`,
  help,
  BOUNDS.helpMs,
)
console.log(
  `             best of ${RUNS} processes each: on a machine that does other things, CPU is what can be compared`,
)
if (wrong.length > 0) {
  console.error(`not meant to be published: ${wrong.join(', ')}`)
  process.exitCode = 1
}

/** The compiler leaves what it made of a source that is gone. What is in lib is made anew each time. */
function hasSource(path) {
  if (path.startsWith('dist/lib/')) return true
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

function check(what, text, found, bound) {
  console.log(`${what.padEnd(12)} ${text}${found > bound ? ': MORE THAN IT SHOULD BE' : ''}`)
  if (what === 'installed' && found > bound) wrong.push(`${kb(found)} in all`)
}

/** Milliseconds. */
function importTime() {
  const script = `
    const { performance } = globalThis
    const start = performance.now()
    await import('@opentelemetry/api')
    const [from, used] = [performance.now(), process.cpuUsage()]
    await import('otel-audit')
    const { user, system } = process.cpuUsage(used)
    console.log(JSON.stringify({ api: from - start, elapsed: performance.now() - from, cpu: (user + system) / 1000 }))`
  const runs = Array.from({ length: RUNS }, () =>
    JSON.parse(run(process.execPath, ['--input-type=module', '--eval', script])),
  )
  const best = (name) => Math.min(...runs.map((times) => times[name]))
  return { api: best('api'), elapsed: best('elapsed'), cpu: best('cpu') }
}

function helpTime() {
  return cpuOf([join(ROOT, 'dist', 'cli', 'main.js'), '--help'])
}

function nodeTime() {
  return cpuOf(['--eval', ''])
}

/** CPU of a Node process from its start to its end, in ms. */
function cpuOf(args) {
  const preload = `data:text/javascript,process.on('exit',()=>{const{user,system}=process.cpuUsage();process.stderr.write((user+system)/1000+'\\n')})`
  const runs = Array.from({ length: RUNS }, () =>
    Number(spawnSync(process.execPath, ['--import', preload, ...args], { encoding: 'utf8' }).stderr),
  )
  return Math.min(...runs)
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
