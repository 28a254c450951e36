import { JSON } from '../../host/globals.js'
import { visibleJson, visibleLines } from '../../host/visible.js'
import type { Command } from 'commander'
import { KNOWN_CLIENTS, type Layer } from '../../instrument/known-clients.js'
import { InstalledPackages, type InstalledPackage } from './installed-packages.js'
import { hasColours, table, type TableColumn } from './table.js'

/** A secret client of an application, in one version. */
interface FoundClient {
  readonly name: string
  readonly version: string
  /** What sees its accesses when the application is started by `--import otel-audit/register`. */
  readonly layer: Layer
  /** The same of a bundle, which no hook can see. */
  readonly bundled: Layer
  readonly note: string | null
  /** Directories, from that of the application on. */
  readonly paths: readonly string[]
}

/** Hooks are set by it. */
const INSTRUMENTATION = '@opentelemetry/instrumentation'

const EXIT_NOT_COVERED = 1
const EXIT_NOT_CHECKED = 2

/** Says what will see the secret clients of an application, before it is deployed. Loads none of them. */
export async function diagnoseApp(directory: string, format: string, command: Command): Promise<void> {
  const packages = new InstalledPackages(directory)
  if (!(await packages.exists())) command.error(`--app must be a directory, not ${directory}`)
  const installed = await packages.list([...KNOWN_CLIENTS.keys(), INSTRUMENTATION])
  const hasHooks = installed.some(({ name }) => name === INSTRUMENTATION)
  const clients = clientsOf(installed, hasHooks)
  const isCovered = clients.every(({ layer }) => layer === 'hook' || layer === 'wire')
  const problems = [
    ...(packages.isPlugAndPlay
      ? [
          'the packages are in the archives of Yarn Plug’n’Play, which cannot be listed: set nodeLinker to node-modules',
        ]
      : []),
    ...(packages.hasNone && !packages.isPlugAndPlay
      ? ['there is no node_modules: install the packages first']
      : []),
    ...(clients.length > 0 && !hasHooks
      ? [`${INSTRUMENTATION} is not installed, so no client is hooked: npm install ${INSTRUMENTATION}`]
      : []),
  ]
  const isChecked = !packages.isPlugAndPlay && !packages.hasNone
  process.stdout.write(
    format === 'json'
      ? visibleJson(`${JSON.stringify({ ok: isChecked && isCovered, problems, clients }, undefined, 2)}\n`)
      : readable(clients, problems, isChecked),
  )
  if (!isChecked) process.exitCode = EXIT_NOT_CHECKED
  else if (!isCovered) process.exitCode = EXIT_NOT_COVERED
}

function clientsOf(installed: readonly InstalledPackage[], hasHooks: boolean): FoundClient[] {
  const found = new Map<string, InstalledPackage[]>()
  for (const one of installed) {
    if (!KNOWN_CLIENTS.has(one.name)) continue
    const key = `${one.name}@${one.version}`
    found.set(key, [...(found.get(key) ?? []), one])
  }
  return [...found.values()].flatMap((copies) => {
    const [first] = copies
    const known = first === undefined ? undefined : KNOWN_CLIENTS.get(first.name)
    if (first === undefined || known === undefined) return []
    return {
      name: first.name,
      version: first.version,
      layer: known.layer === 'hook' && !hasHooks ? known.otherwise : known.layer,
      bundled: known.otherwise,
      note: known.note ?? null,
      paths: copies.map(({ path }) => path),
    }
  })
}

const SAID: Readonly<Record<Layer, string>> = {
  hook: 'hook',
  wire: 'wire',
  none: 'NOT COVERED',
}

const COLUMNS: readonly TableColumn<FoundClient>[] = [
  { title: 'CLIENT', value: ({ name }) => name },
  { title: 'VERSION', value: ({ version }) => version },
  { title: 'COPIES', value: ({ paths }) => paths.length, isNumber: true },
  {
    title: 'SEEN BY',
    value: ({ layer }) => SAID[layer],
    style: ({ layer }) => (layer === 'hook' || layer === 'wire' ? undefined : 'bad'),
  },
  { title: 'IN A BUNDLE', value: ({ bundled }) => SAID[bundled] },
  { title: 'NOTE', value: ({ note }) => note, style: () => 'quiet' },
]

function readable(clients: readonly FoundClient[], problems: readonly string[], isChecked: boolean): string {
  const lines = problems.map((problem) => `warning: ${problem}`)
  if (clients.length === 0 && isChecked) {
    lines.push(
      'No known client of a secret manager. Requests to known protocols are seen at the wire all the same.',
    )
  }
  const list = clients.length === 0 ? '' : table(COLUMNS, clients, hasColours(process.stdout))
  return `${visibleLines([...lines, ''])}${list}`
}
