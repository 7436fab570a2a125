{{/* The launcher as a container: (list . "HOST:PORT of its head"). Its service account's token is mounted into it alone. */}}
{{- define "manta.launcherContainer" -}}
{{- $root := index . 0 -}}{{- $head := index . 1 -}}
name: launcher
image: {{ include "manta.image" (list $root $root.Values.launcher.image) }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
args:
  - launcher
  - --on=kubernetes
  - --head={{ $head }}
  - --cluster={{ include "manta.fullname" $root }}
{{- range $root.Values.launcher.args }}
  - {{ . | quote }}
{{- end }}
env:
  - {name: MANTA_JOIN_TOKEN_FILE, value: /keys-launcher/join-token}
resources: {{- toYaml $root.Values.launcher.resources | nindent 2 }}
securityContext: {{- include "manta.containerSecurity" $root | nindent 2 }}
volumeMounts:
  - {name: launcher-keys, mountPath: /keys-launcher, readOnly: true}
  - {name: launcher-account, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
  - {name: launcher-state, mountPath: /var/lib/manta}
{{- end -}}

{{- define "manta.launcherVolumes" -}}
- name: launcher-keys
  {{- include "manta.keysVolume" (list . "join-token") | nindent 2 }}
- name: launcher-state
  emptyDir: {sizeLimit: 16Mi}
- name: launcher-account
  projected:
    defaultMode: 0440
    sources:
      - serviceAccountToken: {path: token, expirationSeconds: 3600}
      - configMap: {name: kube-root-ca.crt, items: [{key: ca.crt, path: ca.crt}]}
      - downwardAPI: {items: [{path: namespace, fieldRef: {fieldPath: metadata.namespace}}]}
{{- end -}}
