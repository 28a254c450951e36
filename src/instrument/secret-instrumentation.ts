import { VERSION } from '../version.js'
import { applyHook, type ClientHook } from './client-hook.js'
import { tellLoadedBefore } from './loaded-before.js'
import type { Watch } from './open-access.js'

/** What is used of `@opentelemetry/instrumentation`. */
export interface InstrumentationPackage {
  readonly InstrumentationBase: abstract new (
    name: string,
    version: string,
    config: { readonly enabled?: boolean },
  ) => { getModuleDefinitions(): readonly ModuleDefinition[] }
  readonly InstrumentationNodeModuleDefinition: new (
    name: string,
    supportedVersions: string[],
    patch: (exports: unknown, version?: string) => unknown,
  ) => ModuleDefinition
}

interface ModuleDefinition {
  readonly name: string
  includePrerelease?: boolean
}

/** An OpenTelemetry `Instrumentation`, as far as it is looked at here. */
export interface ModuleInstrumentation {
  getModuleDefinitions(): readonly ModuleDefinition[]
}

/**
 * The OpenTelemetry instrumentation with the hooks of layer 1, made with the application's copy of the package: its loader
 * hooks are those that see what is imported.
 */
export function secretInstrumentation(
  { InstrumentationBase, InstrumentationNodeModuleDefinition }: InstrumentationPackage,
  watch: Watch,
  hooks: readonly ClientHook[],
): ModuleInstrumentation {
  // The base class calls `init` before any field of this one is there.
  class SecretInstrumentation extends InstrumentationBase {
    init(): readonly ModuleDefinition[] {
      return moduleDefinitions(InstrumentationNodeModuleDefinition, watch, hooks)
    }
  }
  return new SecretInstrumentation('otel-audit', VERSION, {})
}

/** What the hooks want to see, with what they do to it. Clients that are loaded already are entered into the coverage. */
export function moduleDefinitions<Definition extends ModuleDefinition>(
  Definition: new (
    name: string,
    supportedVersions: string[],
    patch: (exports: unknown, version?: string) => unknown,
  ) => Definition,
  watch: Watch,
  hooks: readonly ClientHook[],
): Definition[] {
  const wanted = enabled(watch, hooks)
  tellLoadedBefore(watch, wanted)
  return wanted.flatMap((hook) =>
    hook.packages.map((name) => {
      const patch = (exports: unknown, version?: string): unknown =>
        applyHook(watch, hook, exports, { name, version })
      const made = new Definition(name, [...hook.supportedVersions], patch)
      // Or `*` is all versions but those before a release, and these are passed over without a word.
      made.includePrerelease = true
      return made
    }),
  )
}

/** The hooks that are not switched off: by name, or by an option. */
function enabled({ settings }: Watch, hooks: readonly ClientHook[]): readonly ClientHook[] {
  return hooks.filter((hook) => !settings.disable.has(hook.name) && hook.isWanted?.(settings) !== false)
}
