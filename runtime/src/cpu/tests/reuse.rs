//! Calls that write over what an earlier call left.

use super::*;
use crate::executor::GroupResult;

fn call<'a>(case: &Case, views: &'a [TensorView<'a>], seed: u64) -> Call<'a> {
    Call { balance: case.balance, random: Random { seed, stream: 1 }, ..Call::new(views) }
}

#[test]
fn a_call_over_any_other_is_the_call() {
    let cases = [
        Case::new(&[3, 4], Balance::Image),
        Case::new(&[2, 3, 40, 60], Balance::Channel),
        Case::new(&[2, 3, 40, 60], Balance::Batch),
        Case::new(&[2, 3, 60, 40], Balance::Batch),
        Case::new(&[0, 0], Balance::Image),
    ];
    let (mut executor, mut other_loss) = (executor(2), CpuExecutor::new(kernels(1)));
    let (mut residuals, mut groups) = (Residuals::default(), vec![]);
    for (index, case) in cases.iter().chain(cases.iter().rev()).enumerate() {
        let (views, mut gradient) =
            (case.views(), Tensor::zeros(ElementType::F32, case.logits.shape()).unwrap());
        let call = call(case, &views, index as u64);
        let (expected, gradients) = executor.forward_backward(&call).unwrap();
        executor.forward_backward_reusing(&call, &mut [gradient.view_mut()], &mut residuals).unwrap();
        GroupResult::write_over(&mut groups, residuals.group_results());
        assert_eq!((residuals.loss(), &groups), (expected.loss, &expected.groups));
        assert_eq!((&residuals, &gradient), (&expected.residuals, &gradients[0]));
        assert_eq!(executor.backward(&views, &residuals, 1.0).unwrap(), gradients);
        // The other loss has fewer group totals.
        other_loss.forward_reusing(&call, &mut residuals).unwrap();
        assert_eq!(residuals, other_loss.forward(&call).unwrap().residuals);
        executor.forward_reusing(&call, &mut residuals).unwrap();
        assert_eq!(residuals, executor.forward(&call).unwrap().residuals);
    }
}

#[test]
fn arguments_that_do_not_fit_leave_residuals_as_they_were() {
    let (small, large) = (Case::new(&[3, 4], Balance::Image), Case::new(&[5, 40, 60], Balance::Image));
    let [small_views, large_views] = [small.views(), large.views()];
    let mut executor = CpuExecutor::new(kernels(3));
    let expected = executor.forward(&Call::new(&small_views)).unwrap().residuals;
    let mut residuals = expected.clone();
    let wrong = Call { scalars: &[("gamma", 2.0)], ..Call::new(&large_views) };
    executor.forward_reusing(&wrong, &mut residuals).unwrap_err();
    executor.forward_reusing(&Call::new(&large_views[..1]), &mut residuals).unwrap_err();
    assert_eq!(residuals, expected);
    let error = executor.backward(&large_views, &residuals, 1.0).unwrap_err();
    assert_eq!(error.to_string(), "logit: shape [5, 40, 60] differs from the forward call's [3, 4]");
}

#[test]
fn residuals_of_no_call_are_refused() {
    let case = Case::new(&[0, 0], Balance::Image);
    let error = CpuExecutor::new(kernels(3)).backward(&case.views(), &Residuals::default(), 1.0).unwrap_err();
    assert_eq!(error.to_string(), "residuals of no call cannot be used with variance");
    assert_eq!(Residuals::default().loss(), 0.0);
}
