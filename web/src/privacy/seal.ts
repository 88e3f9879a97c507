/**
 * The document's own lock. A policy can be added to a page that runs, and policies add up: after this the document can
 * connect to nothing, not even to the host that it came from. (A worker obeys the policy that it was started with.)
 */
import { sealOf } from '../policy.ts';

/** Let this document connect to nothing from now on; only loading the page again undoes it. */
export function seal(): void {
  const policy = document.createElement('meta');
  policy.httpEquiv = 'Content-Security-Policy';
  policy.content = sealOf(document.baseURI);
  document.head.append(policy);
}
