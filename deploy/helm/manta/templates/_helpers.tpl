{{/* Names, labels, and what several pods have in common. */}}

{{- define "manta.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 40 characters: `-worker-256` and a hash are put behind it. */}}
{{- define "manta.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "manta.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "manta.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "manta.selector" -}}
app.kubernetes.io/name: {{ include "manta.name" . }}
app.kubernetes.io/instance: {{ include "manta.fullname" . }}
{{- end -}}

{{- define "manta.labels" -}}
{{ include "manta.selector" . }}
app.kubernetes.io/part-of: manta
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "manta.secret" -}}
{{- .Values.auth.existingSecret | default (printf "%s-keys" (include "manta.fullname" .)) -}}
{{- end -}}

{{- define "manta.account" -}}
{{- .Values.serviceAccount.name | default (printf "%s-launcher" (include "manta.fullname" .)) -}}
{{- end -}}

{{/* (list . "manta-head") -> registry/manta-head:tag; a name that has a tag or a digest is taken as it is. */}}
{{- define "manta.image" -}}
{{- $root := index . 0 -}}{{- $name := index . 1 -}}
{{- if or (contains ":" $name) (contains "@" $name) -}}
{{- $name -}}
{{- else -}}
{{- printf "%s%s:%s" $root.Values.image.registry $name ($root.Values.image.tag | default $root.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* Addresses of the heads for workers: names of pods where there are several, so that each worker joins each head. */}}
{{- define "manta.heads" -}}
{{- $name := include "manta.fullname" . -}}
{{- if gt (int .Values.head.replicas) 1 -}}
{{- $heads := list -}}
{{- range $i := until (int .Values.head.replicas) -}}
{{- $heads = append $heads (printf "%s-head-%d.%s-heads.%s:8470" $name $i $name $.Release.Namespace) -}}
{{- end -}}
{{- join "," $heads -}}
{{- else -}}
{{- printf "%s-heads.%s:8470" $name .Release.Namespace -}}
{{- end -}}
{{- end -}}

{{/* The pod-wide part of "restricted". 8470 is the user of the images. */}}
{{- define "manta.podSecurity" -}}
{{- $own := dict "runAsNonRoot" true "runAsUser" 8470 "runAsGroup" 8470 "fsGroup" 8470 "fsGroupChangePolicy" "OnRootMismatch" "seccompProfile" (dict "type" "RuntimeDefault") -}}
{{- toYaml (mustMergeOverwrite $own (deepCopy .Values.podSecurityContext)) -}}
{{- end -}}

{{- define "manta.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "manta.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{/* (list . .Values.head) -> where the pod may run. */}}
{{- define "manta.placement" -}}
{{- $of := . -}}
{{- with $of.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $of.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $of.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $of.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{/* A volume with the named keys of the Secret: (list . (dict "api-key" ...)). */}}
{{- define "manta.keysVolume" -}}
{{- $root := index . 0 -}}
secret:
  secretName: {{ include "manta.secret" $root }}
  defaultMode: 0440
  items:
{{- if has "api-key" (rest .) }}
    - {key: {{ $root.Values.auth.apiKeyKey }}, path: api-key}
{{- end }}
{{- if has "join-token" (rest .) }}
    - {key: {{ $root.Values.auth.joinTokenKey }}, path: join-token}
{{- end }}
{{- end -}}
