import { createRequire, register } from 'node:module'
import { pathToFileURL } from 'node:url'
import type { MessagePort } from 'node:worker_threads'
import { diag } from '../host/diagnostics.js'

/** What is used of `import-in-the-middle`. */
interface ImportInTheMiddle {
  createAddHookMessageChannel(): { readonly addHookMessagePort: MessagePort }
}

interface InThreadHooks {
  supportsSyncHooks(): boolean
  register(options: HookOptions): void
}

interface HookOptions {
  /** Only these modules are wrapped. */
  readonly include: string[]
  /** By it an instrumentation that is made later says what it wants to see. */
  readonly addHookMessagePort: MessagePort
}

/**
 * Without hooks nothing that is `import`ed is instrumented, and an ESM application has no server spans. In the thread of
 * the application where Node and `import-in-the-middle` can do that, else in a thread of their own, which Node 26 has
 * deprecated.
 *
 * Only modules that somebody wants to see are wrapped: a wrapper evaluates a module's bindings once, so a binding that its
 * module sets later is undefined to those who import it, and `class Sub extends Base` throws.
 *
 * @param near the file whose copies of the instrumentation packages are to see what is imported
 * @param names of the modules that the instrumentations of the process want to see
 */
export function registerLoaderHook(near: string, names: readonly string[]): void {
  try {
    const hook = createRequire(near).resolve('@opentelemetry/instrumentation/hook.mjs')
    const load = createRequire(hook)
    const { addHookMessagePort } = (
      load('import-in-the-middle') as ImportInTheMiddle
    ).createAddHookMessageChannel()
    const options = { include: [...names], addHookMessagePort }
    if (registeredInThread(load, options)) return
    register(pathToFileURL(hook), { data: options, transferList: [addHookMessagePort] })
  } catch (error) {
    diag.warn('otel-audit: the loader hook is not available: ES modules are not instrumented', error)
  }
}

function registeredInThread(load: NodeJS.Require, options: HookOptions): boolean {
  try {
    const hooks = load('import-in-the-middle/register-hooks.mjs') as InThreadHooks
    if (!hooks.supportsSyncHooks()) return false
    hooks.register(options)
    return true
  } catch {
    // An older version has no such file, or an older Node cannot load it so.
    return false
  }
}
