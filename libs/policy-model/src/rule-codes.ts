/** Every code a diagnostic can carry, with what it stands for. Codes are an interface: scripts filter by them. */
interface RuleMeanings {
  // The text
  'text-too-large': 'the text, a document or its list of problems is beyond its bound';
  'too-deep': 'nesting is beyond its bound';
  'no-document': 'the text holds no document';
  'yaml-syntax': 'the text is not YAML 1.2';
  'json-syntax': 'the text is not JSON';
  'yaml-version': 'a %YAML directive asks for another version than 1.2';
  'yaml-tag': 'a tag asks for a type that JSON does not have';
  'yaml-alias': 'an alias names no anchor, names itself, or expands beyond the bound';
  'duplicate-key': 'a key is written twice with different values';
  'repeated-key': 'a key is written twice with one value';
  'bad-key': 'a key is no string, or one that no document needs and attacks use';
  'number-out-of-range': 'a number is not finite or loses digits';
  'control-character': 'a string has characters that cannot be seen';
  'string-too-long': 'a string is longer than a path can be';
  // The schema
  'unsupported-kind': 'apiVersion and kind name nothing that is taken';
  'unknown-field': 'the schema has no such field';
  'required-field': 'a field that the schema requires is missing';
  'wrong-type': 'the value is of another type';
  'not-listed': 'the value is none of those allowed';
  'out-of-range': 'the number is outside of its range';
  'too-many-items': 'the list is longer than allowed';
  'too-long': 'the text is longer than allowed';
  'bad-path': 'the value is not an absolute path of a file';
  'bad-directory': 'the value is not an absolute path of a directory';
  'bad-execname': 'the value is not the name of a program';
  'bad-name': 'the name is not a DNS-1123 subdomain';
  'bad-label': 'a label key or value is not one by the rules of Kubernetes';
  'null-field': 'a field without a value is as if it were not written';
  // Corrections of the lenient mode
  'corrected-name': 'the name was made a DNS name';
  'corrected-field': 'a field was written under another name';
  'corrected-case': 'upper and lower case were corrected';
  'corrected-type': 'a number, text or list was written as another type';
  'corrected-directory': 'a slash was added to a directory';
  'corrected-path': 'a path was written in its shortest form';
  'corrected-prefix': 'the prefix cap_ was left out';
  'newer-capability': "the kernel has the capability and KubeArmor's CRD does not";
  'missing-source': 'the CRD requires fromSource here';
  'missing-version': 'apiVersion is missing';
  'long-path': 'the path is longer than the CRD allows';
  'unset-value': 'severity 0 or an empty action stands for none';
  'default-selector': 'the selector given on the command line was used';
  'ignored-field': 'the field is read and not kept';
  // Meaning
  'missing-selector': 'the policy has no nodeSelector';
  'empty-selector': 'the selector names nothing';
  'bad-mark': "one of Hostward's own labels or annotations is not right";
  'bad-group': 'the selector of a group is not right';
  'duplicate-document': 'two documents of one text have the same kind and name';
  'comma-list': 'a comma list is read as several rules';
  'unknown-protocol': 'no such protocol';
  'unknown-capability': 'no such capability';
  'wildcard-domain': 'a domain with *. in front stands for the domain itself too';
  'unknown-syscall': 'KubeArmor does not list the system call';
  'never-matches': 'what is written cannot match anything';
  'literal-wildcard': 'a path holds characters that are wildcards in patterns alone';
  'empty-rule': 'a rule names nothing';
  'empty-source': 'fromSource is given and names no program';
  'no-rules': 'the policy has no rules';
  'execname-wins': 'path and execname are both given';
  'observe-only': 'system calls are observed, never blocked';
  'allow-list': 'an Allow without fromSource makes an allow-list for the whole host';
  'native-profile': "text in AppArmor's own language is not applied";
  'kubernetes-label': 'the label is one that Kubernetes gives to its nodes';
}

export type RuleCode = keyof RuleMeanings;
