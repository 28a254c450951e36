import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { GATEWAY_OPTIONS } from '../../src/options/gateway-options.js'
import type { OptionSpec } from '../../src/options/option-spec.js'
import { OPTIONS } from '../../src/options/options.js'
import { RETENTION_OPTIONS } from '../../src/options/retention-options.js'
import { READ_OPTIONS } from '../../src/options/read-options.js'
import { VERIFY_OPTIONS } from '../../src/options/verify-options.js'
import { packageRoot } from '../support/postgres/package-root.js'

// Manifests of Kubernetes and units of systemd: what must hold of all of them, and of those that are still to come. Against the
// schemas of Kubernetes they are held by `npm run kubernetes:check`.

const ROOT = packageRoot()
const KUBERNETES = join(ROOT, 'deploy', 'kubernetes')
/** Of kustomize: what an overlay takes in when it wants it. */
const COMPONENTS = ['retention']
const SYSTEMD = join(ROOT, 'deploy', 'systemd')
const { version: VERSION } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  version: string
}
const VARIABLES = new Set(
  [OPTIONS, READ_OPTIONS, GATEWAY_OPTIONS, RETENTION_OPTIONS, VERIFY_OPTIONS]
    .flatMap((table) => Object.values<OptionSpec>(table))
    .flatMap(({ variables }) => variables),
)

const documents = (directory: string): readonly (readonly [file: string, text: string])[] =>
  readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => [name, readFileSync(join(directory, name), 'utf8')])
const all = (text: string, pattern: RegExp): string[] =>
  [...text.matchAll(pattern)].map(([, found = '']) => found)

/** Every command that something is started with, by where it is. */
const COMMANDS = [
  ...[KUBERNETES, ...COMPONENTS.map((name) => join(KUBERNETES, name))]
    .flatMap(documents)
    .flatMap(([file, text]) =>
      all(text, /^ +args: \[(.*)\]$/gm).map((args) => [file, args.split(', ')] as const),
    ),
  ...documents(SYSTEMD).flatMap(([file, text]) =>
    all(text, /^ExecStart=\/usr\/bin\/env otel-audit (.*)$/gm).map(
      (args) => [file, args.split(' ')] as const,
    ),
  ),
]

test.each(COMMANDS)('%s: %j is a command, with flags that it has', (_, args) => {
  const [command = ''] = args
  const help = execFileSync(process.execPath, [join(ROOT, 'dist/cli/main.js'), command, '--help'], {
    encoding: 'utf8',
  })
  for (const flag of args.filter((word) => word.startsWith('--'))) expect(help).toContain(flag)
  expect(COMMANDS).toHaveLength(11)
})

describe('deploy/kubernetes', () => {
  const ownOf = (directory: string) => documents(directory).filter(([file]) => file !== 'kustomization.yaml')
  const components = COMPONENTS.map((name) => join(KUBERNETES, name))
  const files = [KUBERNETES, ...components].flatMap(ownOf)
  const base = readFileSync(join(KUBERNETES, 'kustomization.yaml'), 'utf8')

  test('has every file in its base, and the image of this version', () => {
    const named = (text: string): string[] => all(text, /^ {2}- (\S+\.yaml)$/gm).toSorted()
    expect(named(base)).toEqual(
      ownOf(KUBERNETES)
        .map(([file]) => file)
        .toSorted(),
    )
    for (const directory of components) {
      const component = readFileSync(join(directory, 'kustomization.yaml'), 'utf8')
      expect(component).toContain('\nkind: Component\n')
      expect(named(component)).toEqual(ownOf(directory).map(([file]) => file))
    }
    expect(base).toContain(`newTag: ${VERSION}\n`)
  })

  test.each(files.filter(([, text]) => text.includes('containers:')))(
    '%s: nobody is root, may write, or has an account of the cluster',
    (_, text) => {
      const pods = all(text, /^ +(containers:)$/gm).length
      for (const line of [
        'runAsNonRoot: true',
        'readOnlyRootFilesystem: true',
        'allowPrivilegeEscalation: false',
        'capabilities: { drop: [ALL] }',
        'seccompProfile: { type: RuntimeDefault }',
        'automountServiceAccountToken: false',
      ]) {
        expect(text.split(`${line}\n`).length - 1, line).toBe(pods)
      }
      expect(text).toMatch(/limits: \{ memory: /)
    },
  )

  test.each(files)('%s: secrets are files, and every variable is one that we know', (_, text) => {
    expect(text).not.toMatch(/secretKeyRef|envFrom|valueFrom/)
    const names = all(text, /- \{ name: ([A-Z_]+), value: /g).filter((name) => name !== 'NODE_ENV')
    expect(names.filter((name) => !VARIABLES.has(name))).toEqual([])
    // Each file that is named is in a volume that is mounted.
    const mounts = all(text, /mountPath: ([^,]+),/g)
    const paths = all(text, /value: (\/[^ }]+)/g)
    expect(paths.filter((path) => !mounts.some((mount) => path.startsWith(`${mount}/`)))).toEqual([])
  })

  test('lets nothing in or out but what it names', () => {
    const policies = readFileSync(join(KUBERNETES, 'network-policy.yaml'), 'utf8')
    expect(policies).toContain('policyTypes: [Ingress, Egress]')
    expect(all(policies, /port: (\w+), protocol/g)).toEqual(['53', '53', '5432', 'http', 'otlp', 'metrics'])
  })
})

describe('deploy/systemd', () => {
  const services = documents(SYSTEMD).filter(([file]) => file.endsWith('.service'))

  test.each(services)('%s: its secrets are credentials, and it may write nowhere', (_, text) => {
    for (const line of [
      'DynamicUser=yes',
      'ProtectSystem=strict',
      'NoNewPrivileges=yes',
      'CapabilityBoundingSet=',
    ]) {
      expect(text.split('\n')).toContain(line)
    }
    const credentials = new Set(all(text, /^LoadCredential=([\w-]+):/gm))
    expect(new Set(all(text, /%d\/([\w-]+)/g))).toEqual(credentials)
    const names = all(text, /^Environment=(\w+)=/gm).filter((name) => name !== 'NODE_ENV')
    expect(names.filter((name) => !VARIABLES.has(name))).toEqual([])
  })

  test('the timer starts what is there', () => {
    const units = readdirSync(SYSTEMD)
    const timers = units.filter((unit) => unit.endsWith('.timer'))
    expect(timers).toHaveLength(2)
    expect(timers.filter((unit) => !units.includes(unit.replace('.timer', '.service')))).toEqual([])
  })

  test('systemd itself takes them, where it is', () => {
    const units = readdirSync(SYSTEMD).map((unit) => join(SYSTEMD, unit))
    try {
      execFileSync('systemd-analyze', ['verify', ...units], { encoding: 'utf8', stdio: 'pipe' })
    } catch (error) {
      if ((error as { code?: unknown }).code === 'ENOENT') return
      throw error
    }
  })
})

test('docker-compose.yml has the console and a verification, of the image of otel-audit, which may write nothing', () => {
  const compose = readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8')
  expect(compose).toMatch(
    /^x-otel-audit: &otel-audit\n(?: .*\n)* {2}read_only: true\n {2}cap_drop: \[ALL\]\n/m,
  )
  for (const service of ['serve', 'verify'])
    expect(compose).toMatch(new RegExp(`^ {2}${service}:\\n {4}<<: \\*otel-audit$`, 'm'))
})
