import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../test/support/postgres/package-root.js'
import type { Combination } from './suite.js'
import { applicationSuite } from './suites/application.js'
import { AWS_VERSIONS } from './suites/aws-versions.js'
import { BARE } from './suites/bare.js'
import { BESIDE_DATADOG, BESIDE_SENTRY } from './suites/beside.js'
import { CLI } from './suites/cli.js'
import { clientPackages, clientSuite } from './suites/clients.js'
import { fakeProviders } from './providers.js'
import { COPIES, OTHER_API } from './suites/copies.js'
import { EXAMPLES } from './suites/examples.js'
import { FAILURES } from './suites/failures.js'
import { EXPRESS, FASTIFY, FRAMEWORK_PACKAGES, NEST } from './suites/frameworks.js'
import { GRPC } from './suites/grpc.js'
import { MISTAKES_SUITE } from './suites/mistakes.js'
import {
  HOOKED_CLIENT_PACKAGES,
  hookedSuite,
  httpClientPackages,
  httpClientsSuite,
  managerPackages,
  managersSuite,
} from './suites/more-clients.js'
import { NEXT_PACKAGES, nextSuite } from './suites/next.js'
import { PG } from './suites/query-texts.js'
import { HOOKED_PACKAGES, NEWEST_CLIENTS } from './suites/newest-clients.js'
import { README } from './suites/readme.js'
import { TRANSPORTS } from './suites/transports.js'
import { TYPES, TYPESCRIPT_PACKAGES } from './suites/typescript.js'
import { UNCHANGED } from './suites/unchanged.js'
import { DATADOG, DATADOG_OLDER_API, ELASTIC, SENTRY } from './suites/vendors.js'
import { UNDICI_PACKAGES, wireTestsSuite } from './suites/wire-tests.js'
import { ZERO_CODE_PACKAGES, zeroCodeSuite } from './suites/zero-code.js'

/** The two SDK lines: their peer ranges of the API are disjoint. */
export const SDK_2 = [
  '@opentelemetry/api@~1.9.1',
  '@opentelemetry/sdk-node@^0.223.0',
  '@opentelemetry/auto-instrumentations-node@^0.81.0',
]
export const SDK_3 = [
  '@opentelemetry/api@^1.10.0',
  '@opentelemetry/sdk-node@^0.301.0',
  '@opentelemetry/auto-instrumentations-node@^0.82.0',
]

/** Lines of Node. */
const LINES = ['20', '22', '24', '26'] as const
const sdkOf = (node: string): readonly string[] => (node === '20' ? SDK_2 : SDK_3)

const SERVICE = [applicationSuite('mjs'), applicationSuite('cjs'), CLI, UNCHANGED]
const REST = [TYPES, README, EXAMPLES, EXPRESS, FASTIFY, NEST]
const REST_PACKAGES = [...TYPESCRIPT_PACKAGES, ...FRAMEWORK_PACKAGES]

export const COMBINATIONS: readonly Combination[] = [
  { name: 'node-20', node: '20', packages: [...SDK_2, ...REST_PACKAGES], suites: [...SERVICE, ...REST] },
  { name: 'node-22', node: '22', packages: SDK_3, suites: SERVICE },
  { name: 'node-24', node: '24', packages: [...SDK_3, ...REST_PACKAGES], suites: [...SERVICE, ...REST] },
  { name: 'node-26', node: '26', packages: SDK_3, suites: SERVICE },
  {
    name: 'bare',
    node: '24',
    packages: ['@opentelemetry/api@^1.10.0'],
    omitOptional: true,
    suites: [BARE],
  },
  ...LINES.flatMap((node) => ofLine(node)),
  {
    name: 'webpack',
    node: '24',
    packages: [...SDK_3, ...clientPackages('24'), 'webpack@^5.0.0'],
    suites: [clientSuite('webpack', fakeProviders)],
  },
  {
    name: 'next',
    node: '24',
    packages: [...SDK_3, ...clientPackages('24'), ...NEXT_PACKAGES],
    suites: [nextSuite()],
  },
  {
    name: 'newest',
    node: '24',
    packages: [...SDK_3, ...HOOKED_PACKAGES.map((name) => `${name}@latest`)],
    suites: [NEWEST_CLIENTS],
  },
  { name: 'copies', node: '20', packages: [...SDK_2, OTHER_API], suites: [COPIES] },
  ...pgVersions().map(([name, version]) => ({
    name,
    node: '20',
    packages: SDK_2,
    overrides: { pg: version },
    suites: [applicationSuite('mjs'), CLI, PG],
  })),
  { name: 'sentry', node: '24', packages: ['@sentry/node@^11.0.0'], suites: [SENTRY] },
  {
    name: 'sentry-us',
    node: '24',
    packages: [...SDK_3, '@sentry/node@^11.0.0', ...clientPackages('24')],
    suites: BESIDE_SENTRY,
  },
  {
    name: 'datadog',
    node: '24',
    packages: ['@opentelemetry/api@~1.9.1', 'dd-trace@^6.0.0'],
    suites: [DATADOG],
  },
  {
    name: 'datadog-us',
    node: '24',
    packages: [...SDK_2, 'dd-trace@^6.0.0', ...clientPackages('24')],
    suites: BESIDE_DATADOG,
  },
  {
    name: 'datadog-api',
    node: '24',
    packages: ['@opentelemetry/api@^1.10.0', 'dd-trace@^6.0.0'],
    suites: [DATADOG_OLDER_API],
  },
  { name: 'elastic', node: '24', packages: ['@elastic/opentelemetry-node@^1.18.0'], suites: [ELASTIC] },
]

/** The secret clients on one line of Node. What does not depend on each of them is run on the oldest and a newer one. */
function ofLine(node: (typeof LINES)[number]): readonly Combination[] {
  const [isOldest, isNewest] = [node === '20', node === '26']
  const formats = ['ESM', 'CommonJS', 'bundle'] as const
  return [
    {
      name: `clients-${node}`,
      node,
      packages: [...sdkOf(node), ...clientPackages(node), ...ZERO_CODE_PACKAGES],
      suites: [
        ...formats.map((format) => clientSuite(format, fakeProviders)),
        ...(isOldest ? [FAILURES, MISTAKES_SUITE, zeroCodeSuite('ESM'), zeroCodeSuite('bundle')] : []),
        ...(node === '24' ? [AWS_VERSIONS] : []),
      ],
    },
    {
      name: `pnpm-${node}`,
      node,
      by: 'pnpm',
      packages: [...sdkOf(node), ...clientPackages(node)],
      suites: [clientSuite('ESM', fakeProviders)],
    },
    {
      name: `wire-${node}`,
      node,
      packages: [...sdkOf(node), ...clientPackages(node), ...UNDICI_PACKAGES(node), 'axios'],
      suites: [...(isOldest || isNewest ? TRANSPORTS : []), wireTestsSuite(node)],
    },
    ...(node === '24'
      ? [
          {
            name: `more-${node}`,
            node,
            packages: [
              ...sdkOf(node),
              ...HOOKED_CLIENT_PACKAGES,
              ...managerPackages(node),
              ...httpClientPackages(node),
            ],
            suites: [
              hookedSuite('ESM'),
              hookedSuite('CommonJS'),
              managersSuite(node),
              httpClientsSuite(node),
              GRPC,
            ],
          },
        ]
      : []),
  ]
}

/** The oldest and the newest version of `pg` that the range of `package.json` allows. */
function pgVersions(): readonly (readonly [name: string, version: string])[] {
  const manifest = readFileSync(join(packageRoot(), 'package.json'), 'utf8')
  const { dependencies } = JSON.parse(manifest) as { dependencies: { pg: string } }
  const [, oldest] = /^\^(\d+\.\d+\.\d+)$/.exec(dependencies.pg) ?? []
  if (oldest === undefined) throw new Error('the range of pg is not one from its oldest version on')
  return [
    ['pg-oldest', oldest],
    ['pg-newest', dependencies.pg],
  ]
}
