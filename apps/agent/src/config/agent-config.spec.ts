import { describe, expect, it } from '@jest/globals';
import { ConfigRefused, loadConfig, parseConfig } from './agent-config.js';

const fingerprint = 'ab'.repeat(32);
const least = `controlPlane: {url: "https://127.0.0.1:7443", caFingerprint: ${fingerprint}}\n`;

function problems(text: string): readonly string[] {
  try {
    parseConfig(text, 'agent.yaml');
  } catch (error) {
    if (error instanceof ConfigRefused) return error.problems;
    throw error;
  }
  return [];
}

describe('agent.yaml', () => {
  it('needs only the control plane; everything else has a default', () => {
    const config = parseConfig(least, 'agent.yaml');
    expect(config.enforcer).toBe('auto');
    expect(config.spool.maxBytes).toBe(67_108_864);
    expect(config.stateDir).toBe('/var/lib/hostward');
    expect(config.sensorSocket).toBe('/run/hostward/sensor.sock');
    expect(config.veto).toEqual([]);
  });

  it('takes a fingerprint with colons as openssl prints it', () => {
    const colons = Array.from({ length: 32 }, () => 'AB').join(':');
    expect(problems(least.replace(fingerprint, `"${colons}"`))).toEqual([]);
  });

  it.each([
    ['enforcer: selinux', 'enforcer = "selinux": must be one of auto, apparmor, bpf, observe'],
    ['onOpenDescriptors: close', 'onOpenDescriptors = "close": must be one of report, kill'],
    ['spool: {maxBytes: 5}', 'spool.maxBytes = 5: must be at least 1048576 (1 MiB)'],
    ['spool: {maxBytes: 2000000, colour: red}', 'spool.colour = "red": is not a key of agent.yaml'],
    ['stateDir: var/lib', 'stateDir = "var/lib": must be an absolute path'],
    ['verbose: true', 'verbose = true: is not a key of agent.yaml'],
    ['veto: all', 'veto = "all": must be a list of policy names or of classes'],
    ['veto: [1]', 'veto = [1]: entry 1 must be a policy name or a class'],
    ['spool: null', 'spool = null: must be a mapping with maxBytes'],
  ])('refuses %s and names key, value and rule', (line, problem) => {
    expect(problems(`${least}${line}\n`)).toContain(problem);
  });

  it('refuses a file without a control plane, plain http and a short fingerprint', () => {
    expect(problems('enforcer: observe')).toContain(
      'controlPlane = (absent): is required: a mapping with url and caFingerprint',
    );
    expect(problems(least.replace('https', 'http'))).toContain(
      'controlPlane.url = "http://127.0.0.1:7443": must be an https URL',
    );
    expect(problems(least.replace(fingerprint, '"abcd"'))[0]).toContain(
      'controlPlane.caFingerprint = "abcd": must be the sha256',
    );
  });

  it('refuses duplicate keys, aliases, a list, text that is not YAML and a file that is not there', () => {
    expect(problems(`${least}enforcer: observe\nenforcer: auto\n`)[0]).toContain('is not YAML');
    expect(problems(`${least}veto: &v [a]\nspool: *v\n`)[0]).toContain('is not YAML');
    expect(problems('- a')).toEqual(['must be a mapping with the key controlPlane']);
    expect(problems('{')[0]).toContain('is not YAML');
    expect(() => loadConfig('/nonexistent/agent.yaml')).toThrow(/cannot be read/);
  });
});
