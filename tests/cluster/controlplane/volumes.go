package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

// volumes makes a PersistentVolume for each claim of one storage class, and
// removes it with the claim. Kubernetes has no provisioner of its own that
// gives a directory to a container which does not run as root: fsGroup does
// nothing for a hostPath, and its built-in one makes directories of mode 0750.
type volumes struct {
	client      kubernetes.Interface
	provisioner string
	directory   string
}

func newVolumesCommand() *cobra.Command {
	var kubeconfig string
	v := &volumes{}
	command := &cobra.Command{
		Use:          "volumes",
		Short:        "Give every claim of a storage class a directory of this machine",
		SilenceUsage: true,
		RunE: func(*cobra.Command, []string) error {
			config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
			if err != nil {
				return err
			}
			v.client, err = kubernetes.NewForConfig(config)
			if err != nil {
				return err
			}
			return v.run(genericapiserver.SetupSignalContext())
		},
	}
	command.Flags().StringVar(&kubeconfig, "kubeconfig", "", "how to reach the API server")
	command.Flags().StringVar(&v.provisioner, "provisioner", "", "the provisioner named by the storage classes to serve")
	command.Flags().StringVar(&v.directory, "directory", "", "where to make the volumes' directories")
	return command
}

func (v *volumes) run(ctx context.Context) error {
	changed := make(chan struct{}, 1)
	notify := func() {
		select {
		case changed <- struct{}{}:
		default: // a pass is due already, and it will see this change too
		}
	}
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { notify() },
		UpdateFunc: func(any, any) { notify() },
	}
	factory := informers.NewSharedInformerFactory(v.client, time.Minute)
	claims, existing := factory.Core().V1().PersistentVolumeClaims(), factory.Core().V1().PersistentVolumes()
	claims.Informer().AddEventHandler(handler)
	existing.Informer().AddEventHandler(handler)
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
		for _, object := range claims.Informer().GetStore().List() {
			if err := v.provide(ctx, object.(*core.PersistentVolumeClaim)); err != nil {
				klog.ErrorS(err, "No volume for a claim, will try again", "claim", klog.KObj(object.(*core.PersistentVolumeClaim)))
				time.AfterFunc(time.Second, notify)
			}
		}
		for _, object := range existing.Informer().GetStore().List() {
			if err := v.remove(ctx, object.(*core.PersistentVolume)); err != nil {
				klog.ErrorS(err, "A released volume stays, will try again", "volume", object.(*core.PersistentVolume).Name)
				time.AfterFunc(time.Second, notify)
			}
		}
	}
}

func (v *volumes) provide(ctx context.Context, claim *core.PersistentVolumeClaim) error {
	// The controller-manager writes this annotation when it waits for us.
	if claim.Spec.VolumeName != "" || claim.Annotations["volume.kubernetes.io/storage-provisioner"] != v.provisioner {
		return nil
	}
	name := "pvc-" + string(claim.UID)
	path := filepath.Join(v.directory, name)
	if err := errors.Join(os.MkdirAll(path, 0o777), os.Chmod(path, 0o777)); err != nil {
		return err
	}
	_, err := v.client.CoreV1().PersistentVolumes().Create(ctx, &core.PersistentVolume{
		ObjectMeta: meta.ObjectMeta{
			Name:        name,
			Annotations: map[string]string{"pv.kubernetes.io/provisioned-by": v.provisioner},
		},
		Spec: core.PersistentVolumeSpec{
			AccessModes:                   claim.Spec.AccessModes,
			Capacity:                      claim.Spec.Resources.Requests,
			StorageClassName:              *claim.Spec.StorageClassName,
			PersistentVolumeReclaimPolicy: core.PersistentVolumeReclaimDelete,
			PersistentVolumeSource:        core.PersistentVolumeSource{HostPath: &core.HostPathVolumeSource{Path: path}},
			ClaimRef: &core.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim",
				Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
			},
		},
	}, meta.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil // the controller-manager has yet to bind the one we made
	}
	return err
}

func (v *volumes) remove(ctx context.Context, volume *core.PersistentVolume) error {
	if volume.Status.Phase != core.VolumeReleased || volume.Annotations["pv.kubernetes.io/provisioned-by"] != v.provisioner {
		return nil
	}
	if err := os.RemoveAll(filepath.Join(v.directory, volume.Name)); err != nil {
		return err
	}
	err := v.client.CoreV1().PersistentVolumes().Delete(ctx, volume.Name, meta.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
