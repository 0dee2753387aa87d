import type { LockedPackage } from './lock-file.js';

/** The parts of a CycloneDX document that are read or written here; whatever else npm says is kept. */
export interface Bom {
  readonly bomFormat: string;
  readonly specVersion: string;
  readonly metadata: { readonly component: Component; readonly [more: string]: unknown };
  readonly components: readonly Component[];
  readonly dependencies: readonly {
    readonly ref: string;
    readonly dependsOn?: readonly string[];
  }[];
  readonly [more: string]: unknown;
}

export interface Component {
  readonly type: string;
  readonly name: string;
  readonly version: string;
  readonly 'bom-ref': string;
  readonly purl: string;
  readonly properties?: readonly { readonly name: string; readonly value: string }[];
  readonly [more: string]: unknown;
}

const DEVELOPMENT = 'cdx:npm:package:development';

/**
 * What is shipped, of npm's list of everything. `npm sbom --omit=dev` leaves out what tests use too (seen with npm 11:
 * yaml, semver), so the lock file decides.
 */
export function productionBom(all: Bom, locked: readonly LockedPackage[]): Bom {
  const shipped = new Set(locked.filter(({ dev }) => !dev).map(refOf));
  const { component, ...metadata } = all.metadata;
  const root = component['bom-ref'];
  const kept = new Set([root, ...shipped]);
  return {
    ...all,
    metadata: { ...metadata, component: { ...component, name: 'hostward' } },
    components: all.components.filter((each) => shipped.has(each['bom-ref'])).map(asShipped),
    dependencies: all.dependencies
      .filter(({ ref }) => kept.has(ref))
      .map(({ ref, dependsOn = [] }) => ({
        ref,
        dependsOn: dependsOn.filter((to) => kept.has(to)),
      })),
  };
}

/** Adds components that the product itself depends on. */
export function withComponents(bom: Bom, more: readonly Component[]): Bom {
  const root = bom.metadata.component['bom-ref'];
  const refs = more.map((component) => component['bom-ref']);
  const dependencies = bom.dependencies.map(({ ref, dependsOn = [] }) => ({
    ref,
    dependsOn: ref === root ? [...dependsOn, ...refs] : dependsOn,
  }));
  return {
    ...bom,
    components: [...bom.components, ...more],
    dependencies: [...dependencies, ...refs.map((ref) => ({ ref, dependsOn: [] }))],
  };
}

function refOf({ name, version }: LockedPackage): string {
  return `${name}@${version}`;
}

/** A package that both need is marked as one of development by npm. */
function asShipped(component: Component): Component {
  const properties = (component.properties ?? []).filter(({ name }) => name !== DEVELOPMENT);
  return { ...component, properties };
}
